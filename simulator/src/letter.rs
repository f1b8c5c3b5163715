//! Emails and scripts of the facts: what the writer says when it is asked for one.

use crate::writer::{Phrasings, Writer, capitalised};

/// What it is written for, as the request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    Cold,
    FollowUp,
    Proposal,
    Closing,
    Demo,
    General,
}

impl Occasion {
    pub(crate) fn of(request: &str) -> Self {
        let said = request.lines().next().unwrap_or_default().to_lowercase();
        let kinds = [
            ("cold", Self::Cold),
            ("follow", Self::FollowUp),
            ("proposal", Self::Proposal),
            ("closing", Self::Closing),
            ("demo", Self::Demo),
        ];
        kinds.into_iter().find(|(word, _)| said.contains(word)).map_or(Self::General, |(_, kind)| kind)
    }
}

const COLD_SUBJECTS: Phrasings =
    ["{pain} at {their_company}", "A thought on {pain}", "{pain}: one idea", "On {pain}, at {their_company}"];
const SUBJECTS: Phrasings =
    ["{product} for {their_company}", "{product} and {pain}", "{their_company}: less {pain}", "{product}: {goal}"];
const OPENINGS: [(Occasion, Phrasings); 6] = [
    (
        Occasion::Cold,
        [
            "Teams like yours often tell us about {pain}, and {their_company} may know it too.",
            "I read about {their_company} and wondered how you deal with {pain}.",
            "When {pain} comes up at {their_company}, it probably lands on your desk.",
            "A question about {their_company}: who looks after {pain} today?",
        ],
    ),
    (
        Occasion::FollowUp,
        [
            "One more thought on {pain} at {their_company}.",
            "I have been thinking about {pain}, and about what would help you first.",
            "To come back to {pain}: here is what could make a difference at {their_company}.",
            "You have {goal} in mind, so let me add one thing.",
        ],
    ),
    (
        Occasion::Proposal,
        [
            "You want {goal}, and {pain} stands in the way. Here is what we propose.",
            "This is our proposal for {their_company}, built around {goal}.",
            "For {their_company} we propose {product}, so that {pain} is taken care of.",
            "Here is how {their_company} gets to {goal} with {product}.",
        ],
    ),
    (
        Occasion::Closing,
        [
            "You set out to reach {goal}, and {product} does what that takes.",
            "We have covered {pain} and what changes it. What is left is the decision.",
            "{goal} was what you wanted. {product} gets {their_company} there.",
            "All the pieces for {their_company} are on the table now.",
        ],
    ),
    (Occasion::Demo, GENERAL_OPENINGS),
    (Occasion::General, GENERAL_OPENINGS),
];
const GENERAL_OPENINGS: Phrasings = [
    "{pain} takes time that {their_company} could use better.",
    "If {goal} is what {their_company} is after, {pain} is a good place to begin.",
    "A word about {pain}, and what {their_company} could do about it.",
    "{their_company} and {pain}: I see a way to make that easier.",
];
const PITCHES: Phrasings = [
    "With {feature}, {product} takes that off your hands.",
    "{product} brings {feature}, so the right person knows in time.",
    "That is what {feature} in {product} is for.",
    "{product} answers it with {feature}, from the first day.",
];
const PROOFS: Phrasings = [
    "What sets {company} apart is {value}.",
    "{company} stands for {value}.",
    "At {company} we can promise {value}.",
    "You would also have {value}, which matters to us at {company}.",
];
const PRICES: Phrasings =
    ["The price: {price}.", "On the price, plainly: {price}.", "It comes at {price}.", "As for the cost: {price}."];
const ASKS: Phrasings = [
    "Would a short call next week be worth your time?",
    "Shall I show you in a short call how that would look at {their_company}?",
    "Who at {their_company} should see this with you?",
    "Would it help to look at your own case together?",
];
const DECISIONS: Phrasings = [
    "Shall we go ahead with {product}?",
    "May I send you the agreement for {product}?",
    "Can we agree to start with {product}?",
    "Is {product} a yes for {their_company}?",
];
const QUESTIONS: Phrasings = [
    "How does {pain} show up in a normal week?",
    "What have you tried so far to get to {goal}?",
    "Who else at {their_company} is affected by {pain}?",
    "What would have to change for {goal} to be reached?",
];
const OBJECTIONS: Phrasings = [
    "We are worried about {objection}.",
    "What about {objection}?",
    "{objection} is a problem for us.",
    "We would need to talk about {objection}.",
];
const RESPONSES: Phrasings = [
    "That's fair. What would you need to see about {objection} before you decide?",
    "Understood. Compared with {pain}, how much does {objection} weigh for you?",
    "Good that you say so. {product} helps with {feature}; may I show you what that means here?",
    "Many begin with that thought. Let's look at {feature} first and come back to it.",
];
const CLOSINGS: Phrasings = [
    "\"Shall we put a first date for {product} in the calendar?\"",
    "\"If {feature} does what you need, is there anything else that speaks against starting?\"",
    "\"Would you rather begin with a small team, or with all of {their_company}?\"",
    "\"What would you like to have settled before you say yes?\"",
];

impl Writer {
    pub(crate) fn subject(&mut self) -> String {
        let cold = self.occasion == Occasion::Cold;
        capitalised(&self.say(if cold { &COLD_SUBJECTS } else { &SUBJECTS }))
    }

    pub(crate) fn ask(&mut self) -> String {
        self.say(if self.occasion == Occasion::Closing { &DECISIONS } else { &ASKS })
    }

    pub(crate) fn question(&mut self) -> String {
        self.say(&QUESTIONS)
    }

    pub(crate) fn objection(&mut self) -> String {
        capitalised(&self.say(&OBJECTIONS))
    }

    pub(crate) fn response(&mut self) -> String {
        self.say(&RESPONSES)
    }

    pub(crate) fn closing(&mut self) -> String {
        self.say(&CLOSINGS)
    }

    /// What a letter or a script leaves open: whom it greets, if nobody said, and who signs.
    pub(crate) fn merge_fields(&self) -> Vec<String> {
        let open = [("first_name", self.facts.client.is_none()), ("sender_name", self.facts.sender.is_none())];
        open.into_iter().filter(|(_, is_open)| *is_open).map(|(name, _)| name.to_owned()).collect()
    }

    /// An email, from the greeting to the sign-off.
    pub(crate) fn letter(&mut self) -> String {
        let mut pitch = self.pitch();
        if self.occasion == Occasion::Proposal && !self.facts.prices.is_empty() {
            pitch.push(' ');
            pitch.push_str(&self.say(&PRICES));
        }
        let mut parts = vec![self.filled("Hi {first},"), self.opening(), pitch, self.ask()];
        parts.push(self.sign_off());
        parts.join("\n\n")
    }

    /// What is said in a call, part by part.
    pub(crate) fn script(&mut self) -> String {
        let mut parts = vec![
            format!("Opening\n{}", self.filled("\"Good morning {first}, this is {sender}.\"")),
            format!("Reason for the call\n\"{}\"", self.opening()),
            format!("Questions\n\"{}\"\n(Wait for the answer.)", self.question()),
            format!("Value\n\"{}\"", self.pitch()),
        ];
        if !self.facts.prices.is_empty() && self.occasion != Occasion::Cold {
            parts.push(format!("Price\n\"{}\"", self.say(&PRICES)));
        }
        parts.push(format!("Next step\n\"{}\"", self.ask()));
        parts.join("\n\n")
    }

    fn opening(&mut self) -> String {
        let phrasings = OPENINGS.iter().find(|(occasion, _)| *occasion == self.occasion).map(|(_, all)| all);
        capitalised(&self.say(phrasings.unwrap_or(&GENERAL_OPENINGS)))
    }

    fn pitch(&mut self) -> String {
        let pitch = capitalised(&self.say(&PITCHES));
        if self.facts.company.is_none() || self.facts.value.is_none() {
            return pitch;
        }
        format!("{pitch} {}", self.say(&PROOFS))
    }

    fn sign_off(&mut self) -> String {
        let sign = self.filled("Best regards,\n{sender}");
        match &self.facts.company {
            Some(company) => format!("{sign}\n{company}"),
            None => sign,
        }
    }

    fn filled(&mut self, template: &'static str) -> String {
        self.say(&[template; 4])
    }
}
