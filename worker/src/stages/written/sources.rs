//! What texts are written from, read for all who ask at the same time: the runs of a batch ask for the same product, the same
//! company, and a client each. Nothing is kept: whoever asks is answered by a read that began after they asked.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use hellosales_core::content::client::{self, ClientFacts};
use hellosales_core::content::company_profile::{self, CompanyFacts};
use hellosales_core::content::member;
use hellosales_core::content::product::{self, ProductFacts};
use hellosales_core::{ClientId, Database, DatabaseError, OrgId, OrgTx, ProductId, UserId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// So many asks are read together at most.
const MAX_GROUP: usize = 250;
/// So many organisations are read at a time.
const READS: usize = 4;
/// A read that takes longer has no answer: its connection hangs.
const PATIENCE: Duration = Duration::from_secs(12);

/// Where texts' sources are read. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct SourceReads {
    /// Started with the first ask: an environment is made before there is a runtime.
    asks: Arc<OnceLock<mpsc::Sender<(OrgId, Ask)>>>,
}

/// An organisation, and who of it asked.
#[derive(Debug, Clone)]
pub(super) struct CompanyFound {
    /// The organisation's name.
    pub(super) org_name: Option<String>,
    /// The name of who asked, who may have left since.
    pub(super) sender: Option<String>,
    /// The profile, if one was written.
    pub(super) facts: Option<Arc<CompanyFacts>>,
}

type Answer<T> = oneshot::Sender<Result<T, DatabaseError>>;

#[derive(Debug)]
enum Ask {
    Product(ProductId, Answer<Option<Arc<ProductFacts>>>),
    Client(ClientId, Answer<Option<Arc<ClientFacts>>>),
    Company(Option<UserId>, Answer<CompanyFound>),
}

impl SourceReads {
    /// A product.
    pub(super) async fn product(
        &self,
        db: &Database,
        org: OrgId,
        id: ProductId,
    ) -> Result<Option<Arc<ProductFacts>>, DatabaseError> {
        self.ask(db, org, |answer| Ask::Product(id, answer)).await
    }

    /// A client.
    pub(super) async fn client(
        &self,
        db: &Database,
        org: OrgId,
        id: ClientId,
    ) -> Result<Option<Arc<ClientFacts>>, DatabaseError> {
        self.ask(db, org, |answer| Ask::Client(id, answer)).await
    }

    /// The organisation, and this user of it.
    pub(super) async fn company(
        &self,
        db: &Database,
        org: OrgId,
        user: Option<UserId>,
    ) -> Result<CompanyFound, DatabaseError> {
        self.ask(db, org, |answer| Ask::Company(user, answer)).await
    }

    async fn ask<T>(&self, db: &Database, org: OrgId, ask: impl FnOnce(Answer<T>) -> Ask) -> Result<T, DatabaseError> {
        let (answer, answered) = oneshot::channel();
        let asks = self.asks.get_or_init(|| {
            let (asks, inbox) = mpsc::channel(MAX_GROUP);
            drop(tokio::spawn(read_all(db.clone(), inbox)));
            asks
        });
        asks.send((org, ask(answer))).await.map_err(|_| DatabaseError::Interrupted)?;
        answered.await.map_err(|_| DatabaseError::Interrupted)?
    }
}

/// Reads until nobody is left to ask. What arrived while others were read is read together.
async fn read_all(db: Database, mut inbox: mpsc::Receiver<(OrgId, Ask)>) {
    let mut reads = FuturesUnordered::new();
    let mut open = true;
    while open || !reads.is_empty() {
        tokio::select! {
            got = inbox.recv(), if open && reads.len() < READS => match got {
                Some((org, ask)) => {
                    let mut by_org: BTreeMap<OrgId, Vec<Ask>> = BTreeMap::from([(org, vec![ask])]);
                    for _ in 1..MAX_GROUP {
                        let Ok((org, ask)) = inbox.try_recv() else { break };
                        by_org.entry(org).or_default().push(ask);
                    }
                    reads.extend(by_org.into_iter().map(|(org, asks)| read_group(&db, org, asks)));
                }
                None => open = false,
            },
            Some(()) = reads.next(), if !reads.is_empty() => {}
        }
    }
}

/// An organisation's group. What was not read was not answered: each asks again, as a stage that is tried again.
async fn read_group(db: &Database, org: OrgId, asks: Vec<Ask>) {
    let found = timeout(PATIENCE, Found::read(db, org, &asks)).await.unwrap_or(Err(DatabaseError::Interrupted));
    if let Err(error) = &found {
        tracing::warn!(org_id = %org, asks = asks.len(), %error, "what texts are written from could not be read");
    }
    for ask in asks {
        let known = found.as_ref().map_err(|_| DatabaseError::Interrupted);
        // Who has gone meanwhile needs no answer.
        match ask {
            Ask::Product(id, answer) => drop(answer.send(known.map(|found| found.products.get(&id).cloned()))),
            Ask::Client(id, answer) => drop(answer.send(known.map(|found| found.clients.get(&id).cloned()))),
            Ask::Company(user, answer) => drop(answer.send(known.map(|found| found.company(user)))),
        }
    }
}

#[derive(Debug, Default)]
struct Found {
    products: HashMap<ProductId, Arc<ProductFacts>>,
    clients: HashMap<ClientId, Arc<ClientFacts>>,
    org_name: Option<String>,
    senders: HashMap<UserId, Option<String>>,
    company: Option<Arc<CompanyFacts>>,
}

impl Found {
    async fn read(db: &Database, org: OrgId, asks: &[Ask]) -> Result<Self, DatabaseError> {
        let (products, clients, users) = wanted(asks);
        let mut tx = db.begin_fast_in(org).await?;
        let mut inside = tx.enter(org).await?;
        let mut found = Self::default();
        if !products.is_empty() {
            let read = product::facts(&mut inside, &products).await?;
            found.products = read.into_iter().map(|facts| (facts.product.id, Arc::new(facts))).collect();
        }
        if !clients.is_empty() {
            let read = client::facts(&mut inside, &clients).await?;
            found.clients = read.into_iter().map(|facts| (facts.client.id, Arc::new(facts))).collect();
        }
        if let Some(users) = users {
            found.read_company(&mut inside, users).await?;
        }
        tx.rollback().await?;
        Ok(found)
    }

    async fn read_company(&mut self, tx: &mut OrgTx<'_>, users: HashSet<UserId>) -> Result<(), DatabaseError> {
        for user in users {
            if let Some(sender) = member::find(tx, user).await? {
                self.org_name = Some(sender.org_name);
                self.senders.insert(user, sender.display_name);
            }
        }
        if self.org_name.is_none() {
            // Who asked has left since; the organisation still has its name.
            self.org_name = member::org_name(tx).await?;
        }
        self.company = company_profile::facts(tx).await?.map(Arc::new);
        Ok(())
    }

    fn company(&self, user: Option<UserId>) -> CompanyFound {
        let sender = user.and_then(|user| self.senders.get(&user).cloned()).flatten();
        CompanyFound { org_name: self.org_name.clone(), sender, facts: self.company.clone() }
    }
}

/// What a group asks for, each once; the users are `None` if nobody asks for the company.
fn wanted(asks: &[Ask]) -> (Vec<ProductId>, Vec<ClientId>, Option<HashSet<UserId>>) {
    let (mut products, mut clients, mut users) = (Vec::new(), Vec::new(), None);
    for ask in asks {
        match ask {
            Ask::Product(id, _) => products.push(*id),
            Ask::Client(id, _) => clients.push(*id),
            Ask::Company(user, _) => users.get_or_insert_with(HashSet::new).extend(*user),
        }
    }
    (once(products), once(clients), users)
}

fn once<T: Eq + Hash + Copy>(all: Vec<T>) -> Vec<T> {
    let mut seen = HashSet::new();
    all.into_iter().filter(|one| seen.insert(*one)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_read_once_and_the_company_only_if_somebody_asks() {
        let (product, client, user) = (ProductId::new(), ClientId::new(), UserId::new());
        let asks = |_| {
            let (products, _) = oneshot::channel();
            let (clients, _) = oneshot::channel();
            [Ask::Product(product, products), Ask::Client(client, clients)]
        };
        let mut asked: Vec<Ask> = (0..3).flat_map(asks).collect();
        assert_eq!(wanted(&asked), (vec![product], vec![client], None));
        for user in [None, Some(user), Some(user)] {
            asked.push(Ask::Company(user, oneshot::channel().0));
        }
        assert_eq!(wanted(&asked), (vec![product], vec![client], Some(HashSet::from([user]))));
    }

    #[test]
    fn who_has_left_has_no_name_and_the_organisation_keeps_its_own() {
        let (here, gone) = (UserId::new(), UserId::new());
        let found = Found {
            org_name: Some("Acme".to_owned()),
            senders: HashMap::from([(here, Some("Ada".to_owned()))]),
            ..Found::default()
        };
        let told = |user| {
            let company = found.company(user);
            (company.org_name, company.sender)
        };
        assert_eq!(told(Some(here)), (Some("Acme".to_owned()), Some("Ada".to_owned())));
        assert_eq!(told(Some(gone)), (Some("Acme".to_owned()), None));
        assert_eq!(told(None), (Some("Acme".to_owned()), None));
    }
}
