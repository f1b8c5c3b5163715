//! The words that the rules know, in English, German, French and Spanish. They are compared in lower case unless said.

/// What currencies are called; the value is what two of them are compared by.
pub(super) fn currency(word: &str) -> Option<&'static str> {
    Some(match word.to_lowercase().as_str() {
        "eur" | "euro" | "euros" => "EUR",
        // Whose dollar it is, is seldom said.
        "usd" | "dollar" | "dollars" | "dólares" | "dólar" | "cad" | "aud" => "USD",
        "gbp" | "pounds" | "quid" => "GBP",
        "chf" | "franken" | "francs" | "sfr" => "CHF",
        "jpy" | "yen" => "JPY",
        "sek" | "nok" | "dkk" => "KR",
        "pln" | "zł" => "PLN",
        "brl" | "reais" => "BRL",
        "inr" | "rupees" => "INR",
        _ => return None,
    })
}

/// And their signs.
pub(super) const fn currency_of_symbol(symbol: char) -> Option<&'static str> {
    Some(match symbol {
        '€' => "EUR",
        '$' => "USD",
        '£' => "GBP",
        '¥' => "JPY",
        '₹' => "INR",
        '₽' | '₺' | '₩' => "",
        _ => return None,
    })
}

/// What a word or a letter after a number makes of it.
pub(super) fn scale(word: &str) -> Option<u64> {
    if matches!(word, "M") {
        return Some(1_000_000);
    }
    Some(match word.to_lowercase().as_str() {
        "k" | "tsd" | "thousand" | "tausend" | "mille" | "mil" => 1_000,
        "mio" | "mn" | "million" | "millions" | "millionen" | "millón" | "millones" => 1_000_000,
        "mrd" | "bn" | "billion" | "billions" | "milliarde" | "milliarden" | "milliard" | "milliards" => 1_000_000_000,
        _ => return None,
    })
}

pub(super) const PERCENT: [&str; 9] =
    ["percentage", "percent", "per cent", "prozent", "pour cent", "por ciento", "pct", "pp ", "‰"];

pub(super) const ORDINALS: [&str; 10] = ["st", "nd", "rd", "th", "er", "re", "ère", "e", "º", "ª"];

pub(super) const TIMES_OF_DAY: [&str; 9] = ["am", "pm", "a", "p", "uhr", "h", "oclock", "o", "heures"];

pub(super) const MINUTES: [&str; 10] =
    ["min", "mins", "minute", "minutes", "minuten", "minütiges", "minütigen", "minuto", "minutos", "seconds"];

/// A small number of these is a promise.
pub(super) const LONG_TIMES: [&str; 22] = [
    "week", "weeks", "month", "months", "year", "years", "woche", "wochen", "monat", "monate", "monaten", "jahr",
    "jahre", "jahren", "semaine", "semaines", "mois", "ans", "semana", "semanas", "meses", "años",
];

/// A sentence with one of these speaks of meeting.
pub(super) const MEETINGS: [&str; 27] = [
    "call",
    "chat",
    "meeting",
    "meet",
    "conversation",
    "demo",
    "talk",
    "speak",
    "catch up",
    "walkthrough",
    "session",
    "gespräch",
    "telefonat",
    "termin",
    "austausch",
    "anruf",
    "appel",
    "échange",
    "échanger",
    "rendez-vous",
    "réunion",
    "llamada",
    "reunión",
    "charla",
    "hablar",
    "your time",
    "of time",
];

pub(super) const BEFORE_A_YEAR: [&str; 42] = [
    "in",
    "by",
    "for",
    "of",
    "until",
    "through",
    "during",
    "from",
    "end",
    "early",
    "late",
    "mid",
    "jahr",
    "bis",
    "ende",
    "für",
    "en",
    "année",
    "fin",
    "año",
    "de",
    "del",
    "q1",
    "q2",
    "q3",
    "q4",
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "januar",
    "juni",
    "enero",
    "septembre",
];

/// Notes to oneself, where every letter is a capital: in lower case some are Spanish words.
pub(super) const LEFTOVERS: [&str; 7] = ["todo", "tbd", "fixme", "tbc", "your_name", "placeholder", "insert_here"];

pub(super) const GREETINGS: [&str; 18] = [
    "dear",
    "hi",
    "hello",
    "hey",
    "greetings",
    "hallo",
    "liebe",
    "lieber",
    "bonjour",
    "cher",
    "chère",
    "salut",
    "hola",
    "estimado",
    "estimada",
    "querido",
    "querida",
    "guten",
];

/// Compared as they are written: what ends in capitals is a name.
pub(super) const TOP_LEVEL_DOMAINS: [&str; 62] = [
    "com",
    "net",
    "org",
    "io",
    "ai",
    "co",
    "de",
    "fr",
    "es",
    "eu",
    "uk",
    "ch",
    "at",
    "it",
    "nl",
    "be",
    "pt",
    "br",
    "mx",
    "us",
    "ca",
    "au",
    "nz",
    "ie",
    "se",
    "no",
    "dk",
    "fi",
    "pl",
    "cz",
    "in",
    "jp",
    "cn",
    "ar",
    "cl",
    "za",
    "app",
    "dev",
    "cloud",
    "tech",
    "info",
    "biz",
    "me",
    "ly",
    "to",
    "tv",
    "gg",
    "shop",
    "online",
    "site",
    "store",
    "software",
    "solutions",
    "agency",
    "consulting",
    "global",
    "gmbh",
    "example",
    "test",
    "edu",
    "gov",
    "page",
];

/// Words that are written with a capital in the midst of a sentence and name nobody.
pub(super) const NO_NAMES: &str = " i i'm i'd i'll i've monday tuesday wednesday thursday friday saturday sunday january february march \
    april may june july august september october november december spring summer autumn winter christmas easter new year \
    english german french spanish italian dutch portuguese european american british europe germany france spain asia america \
    mr mrs ms miss mx dr prof sir madam herr frau monsieur madame mademoiselle señor señora sr sra don doña \
    dear hi hello hey hallo bonjour hola liebe lieber cher chère best kind warm warmest many regards wishes thanks thank \
    cheers sincerely cordially yours \
    head director manager chief officer vice president lead leader senior junior executive founder owner partner partners \
    sales marketing customer customers success support operations finance engineering product products team teams account \
    service services business development human resources information technology security procurement purchasing legal \
    research strategy relations communications revenue growth commercial technical quality \
    demo call follow up next step steps meeting proposal offer plan plans pricing price enterprise basic pro premium \
    starter standard professional \
    opening closing agenda introduction questions question value reason recap summary decision opener pitch discovery objection \
    objections handling close hook greeting goodbye salesperson client prospect rep you they their your we our the and for with \
    zoom teams linkedin outlook excel word google calendar microsoft powerpoint internet web wifi ceo cto cfo \
    re fwd ps pps faq crm b2b saas ai api kpi roi \
    q1 q2 q3 q4 h1 h2 ";

/// Words by which a text is known to be German, where every noun has a capital.
pub(super) const GERMAN: [&str; 32] = [
    "und", "der", "die", "das", "ist", "sie", "ihnen", "ihre", "ihr", "für", "mit", "nicht", "wir", "auf", "ein",
    "eine", "einen", "zu", "sich", "werden", "können", "bei", "im", "nur", "vom", "den", "dem", "zum", "zur", "von",
    "haben", "als",
];

/// After these a capital is a person's, in German too.
pub(super) const TITLES: [&str; 8] = ["herr", "herrn", "frau", "dr", "mr", "mrs", "ms", "prof"];

/// What a person or a company does, seldom a thing: who stands before it at the start of a sentence has a name.
pub(super) const ACTS: [&str; 18] = [
    "said",
    "says",
    "told",
    "mentioned",
    "suggested",
    "recommended",
    "recommends",
    "introduced",
    "asked",
    "wrote",
    "switched",
    "chose",
    "joined",
    "saved",
    "saves",
    "reported",
    "doubled",
    "halved",
];

/// Who has none: beside the words that are no names anywhere.
pub(super) const SOMEBODY: [&str; 41] = [
    "everyone",
    "everybody",
    "nobody",
    "someone",
    "somebody",
    "anyone",
    "anybody",
    "one",
    "many",
    "most",
    "some",
    "few",
    "several",
    "others",
    "people",
    "teams",
    "customers",
    "clients",
    "companies",
    "users",
    "buyers",
    "leaders",
    "managers",
    "colleagues",
    "management",
    "leadership",
    "marketing",
    "sales",
    "finance",
    "support",
    "operations",
    "engineering",
    "that",
    "this",
    "which",
    "what",
    "who",
    "nothing",
    "she",
    "they",
    "you",
];
