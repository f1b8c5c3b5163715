//! Which column of a file holds what: known by its name, whatever its case and however its words are joined.

use super::broken::Broken;

/// What a column may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// The organisation's own id.
    ExternalId,
    /// The person's name.
    Name,
    /// A part of it, where there is no column for the whole.
    FirstName,
    /// The other part.
    LastName,
    /// Where the person works.
    Company,
    /// As what.
    Title,
    /// The company's trade.
    Industry,
    /// Where to write to.
    Email,
    /// What hurts.
    PainPoints,
    /// What is wanted.
    Goals,
    /// What is said against buying.
    ObjectionPatterns,
    /// How to speak with the person.
    CommunicationStyle,
    /// What decides.
    DecisionCriteria,
}

/// The names of each, folded; the first is its own.
const NAMES: &[(Field, &[&str])] = &[
    (Field::ExternalId, &["externalid", "id", "clientid", "customerid", "contactid", "recordid", "crmid", "leadid"]),
    (Field::Name, &["name", "fullname", "clientname", "contactname", "customername", "contact", "client"]),
    (Field::FirstName, &["firstname", "givenname", "forename"]),
    (Field::LastName, &["lastname", "surname", "familyname"]),
    (
        Field::Company,
        &[
            "company",
            "companyname",
            "organisation",
            "organization",
            "organisationname",
            "organizationname",
            "account",
            "accountname",
            "employer",
            "firm",
        ],
    ),
    (Field::Title, &["title", "jobtitle", "position", "role", "job"]),
    (Field::Industry, &["industry", "sector", "trade", "vertical"]),
    (Field::Email, &["email", "emailaddress", "mail", "workemail", "businessemail"]),
    (Field::PainPoints, &["painpoints", "painpoint", "pains", "challenges", "problems"]),
    (Field::Goals, &["goals", "goal", "objectives"]),
    (Field::ObjectionPatterns, &["objectionpatterns", "objections", "objection", "objectionpattern"]),
    (Field::CommunicationStyle, &["communicationstyle", "style", "tone"]),
    (Field::DecisionCriteria, &["decisioncriteria", "criteria", "buyingcriteria"]),
];

/// So many names of columns that mean nothing to us are told, and so much of each.
const MAX_IGNORED: usize = 100;
const MAX_NAME_CHARS: usize = 255;

/// A file's columns, in its order.
#[derive(Debug)]
pub(super) struct Columns {
    columns: Vec<(Option<Field>, String)>,
    /// What parts the columns, and so nothing inside of a cell.
    pub(super) separator: char,
}

impl Columns {
    /// Of the head of a file.
    ///
    /// # Errors
    /// If a column is there twice, or none holds names.
    pub(super) fn read(head: &[&str], line: u64, separator: char) -> Result<Self, Broken> {
        let mut columns: Vec<(Option<Field>, String)> = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        for name in head {
            let folded = fold(name);
            if !folded.is_empty() && seen.contains(&folded) {
                return Err(Broken::new(line, "doubled_column", format!("the column {} is there twice", short(name))));
            }
            let field = NAMES.iter().find(|(_, names)| names.contains(&folded.as_str())).map(|(field, _)| *field);
            columns.push((field, short(name)));
            seen.push(folded);
        }
        let mut columns = Self { columns, separator };
        // Beside a column that says whose id it is, a bare `id` is anything's.
        columns.give_way(&seen, "id", Field::ExternalId);
        if columns.has(Field::Name) {
            columns.drop_all(&[Field::FirstName, Field::LastName]);
        } else if !columns.has(Field::FirstName) && !columns.has(Field::LastName) {
            return Err(Broken::new(line, "missing_column", "there is no column name"));
        }
        columns.once_each(line)?;
        Ok(columns)
    }

    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.columns.len()
    }

    /// Each with what it holds and its name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Option<Field>, &str)> {
        self.columns.iter().map(|(field, name)| (*field, name.as_str()))
    }

    /// The names of those that mean nothing to us: the first.
    pub(super) fn ignored(&self) -> Vec<String> {
        let unknown = self.columns.iter().filter(|(field, name)| field.is_none() && !name.is_empty());
        unknown.map(|(_, name)| name.clone()).take(MAX_IGNORED).collect()
    }

    fn has(&self, field: Field) -> bool {
        self.columns.iter().any(|(held, _)| *held == Some(field))
    }

    fn drop_all(&mut self, fields: &[Field]) {
        for (held, _) in &mut self.columns {
            if held.is_some_and(|held| fields.contains(&held)) {
                *held = None;
            }
        }
    }

    fn give_way(&mut self, folded: &[String], name: &str, field: Field) {
        let is_double = self.columns.iter().filter(|(held, _)| *held == Some(field)).count() > 1;
        for ((held, _), folded) in self.columns.iter_mut().zip(folded) {
            if is_double && folded == name {
                *held = None;
            }
        }
    }

    fn once_each(&self, line: u64) -> Result<(), Broken> {
        for (field, names) in NAMES {
            let mut held = self.columns.iter().filter(|(held, _)| *held == Some(*field)).map(|(_, name)| name);
            if let (Some(one), Some(other)) = (held.next(), held.next()) {
                let what = names.first().unwrap_or(&"");
                let message = format!("the columns {one} and {other} both hold the {what}");
                return Err(Broken::new(line, "doubled_column", message));
            }
        }
        Ok(())
    }
}

/// A name without case, spaces, `_`, `-` and dots.
fn fold(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-' | '.')).flat_map(char::to_lowercase).collect()
}

fn short(name: &str) -> String {
    name.trim().chars().take(MAX_NAME_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(head: &[&str]) -> Result<Vec<Option<Field>>, (&'static str, String)> {
        let columns = Columns::read(head, 1, ',').map_err(|broken| (broken.code, broken.message))?;
        Ok(columns.iter().map(|(field, _)| field).collect())
    }

    #[test]
    fn columns_are_known_in_any_order_case_and_spelling() {
        let known = fields(&["E-Mail", " FULL name ", "Job_Title", "organisation", "Pain points", "notes", "ID", ""]);
        let expected = [
            Some(Field::Email),
            Some(Field::Name),
            Some(Field::Title),
            Some(Field::Company),
            Some(Field::PainPoints),
            None,
            Some(Field::ExternalId),
            None,
        ];
        assert_eq!(known.unwrap(), expected);
        assert_eq!(fields(&["id", "name", "external_id"]).unwrap(), [None, Some(Field::Name), Some(Field::ExternalId)]);
        assert_eq!(fields(&["First Name", "Last Name"]).unwrap(), [Some(Field::FirstName), Some(Field::LastName)]);
        assert_eq!(fields(&["First Name", "name"]).unwrap(), [None, Some(Field::Name)]);
        let columns = Columns::read(&["name", "Notes", " ", "fax"], 1, ',').unwrap();
        assert_eq!(columns.ignored(), ["Notes", "fax"]);
    }

    #[test]
    fn a_column_that_is_missing_or_there_twice_is_refused() {
        assert_eq!(fields(&["email", "company"]).unwrap_err().0, "missing_column");
        for head in [&["name", "Name"][..], &["name", "email", "e-mail"], &["name", "full name"], &["name", "x", "x"]] {
            assert_eq!(fields(head).unwrap_err().0, "doubled_column", "{head:?}");
        }
    }
}
