//! Who is who inside a file: rows of one client are found without the rows before being held. What is kept of a row is
//! a number for each of its keys.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use hellosales_core::content::client_import::Cells;

/// Whom the rows so far tell of.
#[derive(Debug, Default)]
pub(super) struct People {
    seed: RandomState,
    by_external_id: HashMap<u64, i32>,
    by_email: HashMap<u64, i32>,
    by_person: HashMap<u64, i32>,
    known: HashMap<i32, Known>,
}

/// What is known of one of them.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    external_id: Option<u64>,
    email: Option<u64>,
}

/// Both may be the same: one isn't known, or they are equal.
fn agree(one: Option<u64>, other: Option<u64>) -> bool {
    one.is_none() || other.is_none() || one == other
}

impl People {
    /// The first row that tells of the same client as this one, the `n`-th: by the organisation's own id, else by
    /// address, else by name and company; never somebody who is known to have another id, or (by name) another address.
    pub(super) fn place(&mut self, n: i32, cells: &Cells) -> i32 {
        let hash = |text: &String| self.seed.hash_one(text.to_lowercase());
        let external_id = cells.external_id.as_ref().map(|id| self.seed.hash_one(id));
        let email = cells.email.as_ref().map(hash);
        let company = cells.company.as_deref().unwrap_or_default().to_lowercase();
        let person = self.seed.hash_one((cells.name.to_lowercase(), company));
        let found = external_id.and_then(|id| self.by_external_id.get(&id).copied());
        let found = found.or_else(|| {
            let place = email.and_then(|email| self.by_email.get(&email).copied())?;
            self.known(place).filter(|known| agree(known.external_id, external_id)).map(|_| place)
        });
        let found = found.or_else(|| {
            let place = self.by_person.get(&person).copied()?;
            let same = |known: &Known| agree(known.external_id, external_id) && agree(known.email, email);
            self.known(place).filter(same).map(|_| place)
        });
        let place = found.unwrap_or(n);
        external_id.map(|id| self.by_external_id.entry(id).or_insert(place));
        email.map(|email| self.by_email.entry(email).or_insert(place));
        self.by_person.entry(person).or_insert(place);
        let known = self.known.entry(place).or_default();
        known.external_id = known.external_id.or(external_id);
        known.email = email.or(known.email);
        place
    }

    fn known(&self, place: i32) -> Option<Known> {
        self.known.get(&place).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(rows: &[(&str, &str, &str, &str)]) -> Vec<i32> {
        let mut people = People::default();
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let rows = rows.iter().map(|(external_id, email, name, company)| Cells {
            external_id: given(external_id),
            email: given(email),
            name: (*name).to_owned(),
            company: given(company),
            ..Cells::default()
        });
        (0..).zip(rows).map(|(n, cells)| people.place(n, &cells)).collect()
    }

    #[test]
    fn a_client_is_known_again_by_id_then_address_then_name_and_company() {
        let rows = [
            ("7", "ana@x.example", "Ana", "Acme"),
            ("7", "new@x.example", "Anna", "Acme"),
            ("", "ANA@X.example", "A.", ""),
            ("", "", "ana", "ACME"),
            ("", "", "Ana", ""),
            ("", "new@x.example", "Z", ""),
        ];
        assert_eq!(places(&rows), [0, 0, 0, 0, 4, 0]);
    }

    #[test]
    fn who_has_another_id_or_by_name_another_address_is_another() {
        let rows = [
            ("7", "team@x.example", "Ana", "Acme"),
            ("8", "team@x.example", "Ana", "Acme"),
            ("", "ana2@x.example", "Ana", "Acme"),
            ("", "", "Ana", "Acme"),
            ("8", "", "Ana", "Acme"),
        ];
        assert_eq!(places(&rows), [0, 1, 2, 0, 1]);
    }
}
