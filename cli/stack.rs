//! Everything that a development installation consists of, brought up in order: PostgreSQL, schema, simulator,
//! apis, workers. `dev` and `demo` share it.

mod children;
mod model;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use hellosales_core::database::migrate;
use hellosales_core::{OrgId, Role as DatabaseRole};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::client::Api;
use crate::data_dir::{DataDir, Lock};
use crate::database::{self, unreachable};
use crate::output::Output;
use crate::private_postgres::PrivatePostgres;
use crate::problem::{Exit, Problem};
use crate::supervisor::{Child, Role, Supervisor};
use crate::{port, seed};

pub(crate) use model::Model;

/// What is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Who wants it: `dev` or `demo`.
    pub(crate) command: &'static str,
    /// How many apis.
    pub(crate) apis: u16,
    /// How many workers.
    pub(crate) workers: u16,
    /// The first api's port, or the next free one.
    pub(crate) port: u16,
    /// The workers' lease.
    pub(crate) lease: Option<Duration>,
    /// The slots of each worker.
    pub(crate) slots: Option<u16>,
    /// Who answers.
    pub(crate) model: Model,
    /// A database to use in place of a private one.
    pub(crate) database_url: Option<String>,
}

/// A process as programs read it.
#[derive(Debug, Serialize)]
pub(crate) struct ProcessLine {
    /// What it is.
    pub(crate) role: &'static str,
    /// Its number.
    pub(crate) pid: u32,
    url: String,
}

/// What runs.
#[derive(Debug)]
pub(crate) struct Stack {
    supervisor: Supervisor,
    lock: Lock,
    /// Where it lies.
    pub(crate) data_dir: DataDir,
    /// The cluster's owner's way to the database.
    pub(crate) database_url: String,
    /// The first api.
    pub(crate) url: String,
    /// The simulator.
    pub(crate) simulator_url: String,
    postgres: Option<Child>,
    simulator: Option<Child>,
    apis: Vec<Child>,
    /// The workers.
    pub(crate) workers: Vec<Child>,
}

impl Stack {
    /// Brings everything up, or takes down again what had come up.
    pub(crate) async fn start(
        data_dir: DataDir,
        options: Options,
        output: Output,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        data_dir.create()?;
        let lock = data_dir.lock(options.command)?;
        let mut stack = Self {
            supervisor: Supervisor::new(output),
            lock,
            data_dir,
            database_url: String::new(),
            url: String::new(),
            simulator_url: String::new(),
            postgres: None,
            simulator: None,
            apis: Vec::new(),
            workers: Vec::new(),
        };
        let came_up = tokio::select! {
            came_up = stack.bring_up(&options, output) => came_up,
            () = stop.cancelled() => Err(Problem::new(Exit::Interrupted, "stopped before everything was up").into()),
        };
        match came_up {
            Ok(()) => Ok(stack),
            Err(error) => {
                stack.stop().await;
                Err(error)
            }
        }
    }

    async fn bring_up(&mut self, options: &Options, output: Output) -> anyhow::Result<()> {
        match &options.database_url {
            Some(url) => {
                output.say("postgres   the one that DATABASE_URL names");
                // Said here at once; else each part would say it in its log.
                database::refuse_unsafe(url).await?;
                self.database_url.clone_from(url);
            }
            None => self.bring_up_postgres(output).await?,
        }
        self.migrate(output).await?;
        self.bring_up_simulator(output).await?;
        self.bring_up_apis(options, output).await?;
        self.bring_up_workers(options, output).await?;
        self.lock.serving(options.command, &self.url, &self.database_url)
    }

    async fn bring_up_postgres(&mut self, output: Output) -> anyhow::Result<()> {
        let data_dir = self.data_dir.clone();
        let folder = data_dir.join("postgres");
        if !folder.exists() {
            output.say(format!("postgres   making a cluster in {} …", folder.display()));
        }
        // initdb takes seconds, and a thread.
        let prepared = tokio::task::spawn_blocking(move || PrivatePostgres::prepare(&data_dir)).await??;
        let postgres = Arc::new(prepared);
        let child = self.supervisor.start(postgres.spec(&self.data_dir)?);
        let running = self.postgres.insert(child).ready().await?;
        self.database_url = postgres.url(running.port);
        let found = if postgres.existed { "found again, with its data:" } else { "new:" };
        let (version, port) = (postgres.version, running.port);
        output.say(format!("postgres   {found} PostgreSQL {version}, {}, port {port}", folder.display()));
        Ok(())
    }

    async fn migrate(&self, output: Output) -> anyhow::Result<()> {
        let url = &self.database_url;
        let migrated = migrate::run(url).await.map_err(|error| unreachable(error, url))?;
        output.say(match migrated.now.saturating_sub(migrated.before) {
            0 => format!("schema     up to date ({} migrations)", migrated.now),
            applied => format!("schema     {applied} migrations applied"),
        });
        Ok(())
    }

    async fn bring_up_simulator(&mut self, output: Output) -> anyhow::Result<()> {
        let spec = children::simulator(&self.data_dir, port::any()?);
        let child = self.supervisor.start(spec);
        let running = self.simulator.insert(child).ready().await?;
        self.simulator_url = loopback(running.port);
        output.say(format!("simulator  {} (pid {})", self.simulator_url, running.pid));
        Ok(())
    }

    async fn bring_up_apis(&mut self, options: &Options, output: Output) -> anyhow::Result<()> {
        let mut taken = Vec::new();
        for n in 1..=options.apis {
            let wanted = if options.port == 0 { port::any()? } else { options.port.saturating_add(n - 1) };
            let port = port::from(wanted, &taken)?;
            if port != wanted && !taken.contains(&wanted) {
                output.say(format!("api        port {wanted} is taken; the next free one is {port}"));
            }
            taken.push(port);
            let spec = children::api(self, n, port);
            self.apis.push(self.supervisor.start(spec));
        }
        for (n, api) in self.apis.iter_mut().enumerate() {
            let running = api.ready().await?;
            let url = loopback(running.port);
            output.say(format!("api        {url} (pid {})", running.pid));
            if n == 0 {
                self.url = url;
            }
        }
        Ok(())
    }

    async fn bring_up_workers(&mut self, options: &Options, output: Output) -> anyhow::Result<()> {
        for n in 1..=options.workers {
            let spec = children::worker(self, options, n, port::any()?);
            self.workers.push(self.supervisor.start(spec));
        }
        for worker in &mut self.workers {
            tell(worker, output).await?;
        }
        Ok(())
    }

    /// One more worker.
    pub(crate) async fn add_worker(&mut self, options: &Options, output: Output) -> anyhow::Result<()> {
        let n = u16::try_from(self.workers.len() + 1)?;
        let spec = children::worker(self, options, n, port::any()?);
        let mut worker = self.supervisor.start(spec);
        tell(&mut worker, output).await?;
        self.workers.push(worker);
        Ok(())
    }

    /// Kills the worker that is this process; it is not started again.
    pub(crate) async fn kill_worker(&mut self, pid: u32) -> anyhow::Result<()> {
        let is_it = |worker: &&mut Child| worker.process().is_some_and(|process| process.pid == pid);
        self.workers.iter_mut().find(is_it).context("the step's worker is none of ours")?.kill().await;
        Ok(())
    }

    /// Plants the demo organisation's content; the api makes the organisation at the first sight of its token.
    pub(crate) async fn seed(&self, api: &Api, output: Output) -> anyhow::Result<OrgId> {
        let org = OrgId::from(api.organization().await?);
        let url = &self.database_url;
        let database = database::open(url, DatabaseRole::Api, "hellosales cli")?;
        let planted = seed::plant(&database, org).await.map_err(|error| unreachable(error, url));
        database.close().await;
        let found = if planted? { "planted" } else { "found again" };
        output.say(format!("seeds      {found}: a company, two products, three clients of '{}'", seed::ORGANIZATION));
        Ok(org)
    }

    /// All that runs right now.
    pub(crate) fn processes(&self) -> Vec<ProcessLine> {
        let children = self.apis.iter().chain(&self.workers).chain(&self.simulator).chain(&self.postgres);
        let line = |child: &Child| {
            let process = child.process()?;
            let url = match child.role {
                Role::Postgres => self.database_url.clone(),
                Role::Api | Role::Worker | Role::Simulator => loopback(process.port),
            };
            Some(ProcessLine { role: child.role.as_str(), pid: process.pid, url })
        };
        children.filter_map(line).collect()
    }

    /// Stops everything, those first that need the others.
    pub(crate) async fn stop(self) {
        self.supervisor.stop().await;
        drop(self.lock);
    }
}

/// Waits for a worker, and says where it is.
async fn tell(worker: &mut Child, output: Output) -> anyhow::Result<()> {
    let running = worker.ready().await?;
    output.say(format!("worker     {} (pid {})", loopback(running.port), running.pid));
    Ok(())
}

fn loopback(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}
