//! Texts as models write them, and what is said against them.

use super::{MAX_WARNINGS, Sources, check};

const FACTS: [&str; 9] = [
    "Northwind",
    "https://www.northwind.example",
    "Beacon",
    "instant alerts; shared inbox; audit trail",
    "basic: 49 EUR per month; pro: 1.200 EUR per month; discounts: yearly 10 %",
    "Ana Silva",
    "Acme GmbH",
    "Head of Support",
    "They answer 500 tickets a week with 12 people",
];

fn told(text: &str) -> Vec<String> {
    with(text, None)
}

fn with(text: &str, fields: Option<&[&str]>) -> Vec<String> {
    let sources = Sources::of(FACTS.into_iter().chain(["Sam Seller", "Offer 2 weeks of trial. Mention ISO 27001."]));
    let fields: Option<Vec<String>> = fields.map(|fields| fields.iter().map(|&field| field.to_owned()).collect());
    let found = check(&[text], fields.as_deref(), &sources);
    found.into_iter().map(|warning| format!("{} {}", warning.code, warning.text)).collect()
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_good_email_has_no_warning() {
    let english = "Hi Ana,\n\nYour 12 people answer 500 tickets a week. That's a lot, and I'd guess that Monday is the worst.\n\n\
        Beacon's instant alerts tell the right person before a ticket gets old. Basic is €49 per month, Pro is 1,200 EUR; paid \
        yearly you save 10%. We're ISO 27001 certified. Could we take 15 minutes for a call on Thursday at 10:30, or at 3 pm?\n\n\
        1. I'd show you the shared inbox.\n2) You'd tell me what hurts.\n\nBest regards,\nSam Seller\nNorthwind\nnorthwind.example";
    assert_eq!(told(english), NOTHING);
    let german = "Hallo Frau Silva,\n\nIhr Team beantwortet jede Woche 500 Anfragen mit 12 Personen. Beacon meldet sich, bevor eine \
        Anfrage liegen bleibt. Der Tarif Pro kostet 1.200 € im Monat, bei jährlicher Zahlung sparen Sie 10 Prozent. Hätten Sie für ein \
        Gespräch 20 Minuten Zeit, etwa am Donnerstag um 14 Uhr?\n\nMit freundlichen Grüßen\nSam Seller";
    assert_eq!(told(german), NOTHING);
    let french = "Bonjour Madame Silva,\n\nVotre équipe traite 500 demandes par semaine avec 12 personnes. Beacon prévient la bonne \
        personne à temps. La formule Pro coûte 1 200 € par mois, avec 10 % de remise à l'année. Auriez-vous 15 minutes pour un échange \
        jeudi à 14h ?\n\nBien cordialement,\nSam Seller";
    assert_eq!(told(french), NOTHING);
    let spanish = "Hola, Ana:\n\nSu equipo responde 500 solicitudes por semana con 12 personas. Beacon avisa a tiempo. El plan Pro cuesta \
        1200 euros al mes, con un 10 por ciento menos al año. ¿Le vendría bien una llamada de 15 minutos el jueves a las 16:00?\n\n\
        Un saludo,\nSam Seller";
    assert_eq!(told(spanish), NOTHING);
}

#[test]
fn an_invented_price_is_found_however_it_is_written() {
    for (text, expected) in [
        ("It costs $29 a month.", "$29"),
        ("It costs 29 € a month.", "29 €"),
        ("Nur 29,90 EUR im Monat.", "29,90 EUR"),
        ("Pour 1 500 euros par mois.", "1 500 euros"),
        ("Por solo €3k al año.", "€3k"),
        ("USD 99 for each seat.", "USD 99"),
        ("It's just 49 dollars.", "49 dollars"),
        ("CHF 1'200 im Monat.", "CHF 1'200"),
        ("A deal worth 2.5 million euros.", "2.5 million euros"),
        ("It is 10 EUR cheaper.", "10 EUR"),
    ] {
        assert_eq!(told(text), [format!("UNSUPPORTED_PRICE {expected}")], "{text}");
    }
    for text in ["It costs 49 € a month.", "EUR 49.00", "€1.2k per month", "1,200 euros", "49 for each month"] {
        assert_eq!(told(text), NOTHING, "{text}");
    }
}

#[test]
fn an_invented_number_is_found_and_what_claims_nothing_is_not() {
    for (text, expected) in [
        ("You save 37 % of the time.", "37 %"),
        ("You save 37% of the time.", "37%"),
        ("37 percent faster.", "37 percent"),
        ("It is 3x faster.", "3"),
        ("We serve 2,500 customers.", "2,500"),
        ("Wir haben 2.500 Kunden und sind bei Ihnen.", "2.500"),
        ("Live in 6 weeks.", "6"),
        ("It saves 45 minutes a day.", "45"),
        ("Trusted by 10k people.", "10k"),
        ("The offer ends on 12.03.2026.", "12.03.2026"),
        ("ISO 9001 certified.", "9001"),
    ] {
        assert_eq!(told(text).first(), Some(&format!("UNSUPPORTED_NUMBER {expected}")), "{text}");
    }
    for text in [
        "Let's find 20 minutes for a call in Q3, or by 2027.",
        "We're there 24/7, 1:1, for B2B and 3D, with GPT-4 and W3C.",
        "Here are 3 ideas, the 2nd on the 15th at 9 am or 14:30.",
        "The trial has 2 weeks, and 500 tickets, 12 people.",
        "1. First\n2. Second\n  10) Tenth",
        "We work in two weeks and with a hundred people.",
        "{{price_2026}} and {{amount}}",
    ] {
        assert_eq!(told(text), NOTHING, "{text}");
    }
}

#[test]
fn an_invented_day_of_a_month_is_found_and_an_offered_one_is_not() {
    for (text, expected) in [
        ("The offer ends on 5 March.", "5 March"),
        ("The offer ends on March 5, as agreed.", "March 5"),
        ("Prices rise on the 3rd of June.", "3rd of June"),
        ("Das Angebot gilt bis zum 5. März.", "5. März"),
        ("Cette offre vaut jusqu'au 5 mars.", "5 mars"),
        ("La oferta vale hasta el 5 de marzo.", "5 de marzo"),
        ("We launched on 12 May.", "12 May"),
    ] {
        assert_eq!(told(text), [format!("UNSUPPORTED_NUMBER {expected}")], "{text}");
    }
    for text in [
        "Could we talk on 5 March, or have a call on June 3?",
        "In March 12 people answer 500 tickets.",
        "Your 12 people may come.",
        "In May we begin.",
    ] {
        assert_eq!(told(text), NOTHING, "{text}");
    }
    for source in ["It ends on March 5.", "until 2026-03-05", "bis 05.03.2026", "5/3"] {
        let found = check(&["The offer ends on 5 March."], None, &Sources::of([source]));
        assert!(found.is_empty(), "{source}: {found:?}");
    }
}

#[test]
fn an_invented_number_in_words_is_found_with_its_unit() {
    for (text, expected) in [
        ("You save twenty percent of the time.", "twenty percent"),
        ("You save twenty-five per cent.", "twenty-five per cent"),
        ("It pays off after three months.", "three months"),
        ("Sie sparen zwanzig Prozent.", "zwanzig Prozent"),
        ("Vous gagnez trois semaines.", "trois semaines"),
        ("Se amortiza en tres meses.", "tres meses"),
    ] {
        assert_eq!(told(text), [format!("UNSUPPORTED_NUMBER {expected}")], "{text}");
    }
    for text in [
        "The trial has two weeks, and you save ten percent a year.",
        "Shall we have a call in three weeks?",
        "Three ideas for twenty people, five of them new.",
        "We are a hundred percent sure.",
        "One year from now, or a week or two.",
    ] {
        assert_eq!(told(text), NOTHING, "{text}");
    }
    // In words in the source, in figures in the text.
    let found =
        check(&["It pays off in 3 months, for 12 people."], None, &Sources::of(["three months, twelve people"]));
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn an_invented_name_that_begins_a_sentence_is_found_by_what_it_does() {
    for (text, expected) in [
        ("Carla mentioned that you look for help.", "Carla"),
        ("Good morning. Contoso saved a lot of time.", "Contoso"),
        ("I'm glad you wrote. Miguel suggested a talk.", "Miguel"),
    ] {
        assert_eq!(told(text), [format!("UNSUPPORTED_NAME {expected}")], "{text}");
    }
    for text in [
        "Ana mentioned that you look for help. Northwind saved them time.",
        "Everyone said so. Teams saved time, and customers told us. Who says that?",
        "Beacon saves time. You mentioned alerts. She asked. We wrote. It doubled.",
        "Nothing said is lost. Support told us so.",
    ] {
        assert_eq!(told(text), NOTHING, "{text}");
    }
}

#[test]
fn an_invented_address_is_found() {
    for (text, expected) in [
        ("Book here: https://calendly.com/sam", "https://calendly.com/sam"),
        ("See northwind.example/demo.", "northwind.example/demo"),
        ("Visit www.beacon.io!", "www.beacon.io"),
        ("Write to sam@northwind.example.", "sam@northwind.example"),
    ] {
        assert_eq!(told(text), [format!("UNSUPPORTED_URL {expected}")], "{text}");
    }
    assert_eq!(told("See www.northwind.example or https://northwind.example/."), NOTHING);
}

#[test]
fn an_invented_name_is_found_and_a_capital_is_not_yet_a_name() {
    for (text, expected) in [
        ("Hi John,", "John"),
        ("We helped Contoso Logistics do the same.", "Contoso Logistics"),
        ("My colleague Maria Gonzalez will call.", "Maria Gonzalez"),
        ("Like HubSpot, we care.", "HubSpot"),
        ("Sehr geehrter Herr Müller, wir haben für Sie und Ihr Team die Lösung, die Sie suchen.", "Müller"),
        ("Bonjour Madame Dupont, voici notre offre.", "Dupont"),
        ("Mi colega Carlos llamará mañana.", "Carlos"),
    ] {
        assert_eq!(told(text), [format!("UNSUPPORTED_NAME {expected}")], "{text}");
    }
    for text in [
        "Hi Ana, as Head of Support at Acme you'll like Beacon's alerts. Could we talk on Friday, in English or Spanish? I'm here.",
        "Less Manual Work For Support Teams",
        "Opening\n(Pause.)\n\"Good morning, is this Ana Silva?\"\nQuestions: What does Monday look like?",
        "Let's talk to your Customer Success team and the CTO about CRM. Warm Regards, the Northwind Team",
        "The Pilot starts soon, and the pilot is free.",
        "Ihr Vertrieb gewinnt mit der Plattform Zeit, und die Kunden sind zufrieden, weil das Team für Sie da ist.",
        "Next step: Propose a Zoom call. – Then wait.",
    ] {
        assert_eq!(told(text), NOTHING, "{text}");
    }
}

#[test]
fn what_a_template_left_open_is_found() {
    for (text, expected) in [
        ("Best, [Your Name]", "[Your Name]"),
        ("See [insert link here].", "[insert link here]"),
        ("Hello <insert name>", "<insert name>"),
        ("Hello {name}", "{name}"),
        ("Hello %FIRST_NAME%", "%FIRST_NAME%"),
        ("Hello <<name>>", "<<name>>"),
        ("Call me at ____ today.", "____"),
        ("TBD: add a story", "TBD"),
        ("lorem ipsum dolor", "Lorem ipsum"),
        ("Dear ,\nwe care.", "Dear ,"),
        ("Hallo ,\nbis bald.", "Hallo ,"),
        ("Hi null,\nwe care.", "Hi null,"),
        ("Hello {{first_name", "{{"),
    ] {
        assert_eq!(told(text), [format!("TEMPLATE_LEFTOVER {expected}")], "{text}");
    }
    let crossed = "X".repeat(3);
    assert_eq!(told(&format!("At {crossed} we care.")), [format!("TEMPLATE_LEFTOVER {crossed}")]);
    for text in [
        "Lo tenemos todo en una semana.",
        "Hello, how are you?",
        "It is < 5 and > 3.",
        "10 % of it, a 10 % off",
        "(pause)",
        "Hi Ana, hello",
    ] {
        assert_eq!(told(text), NOTHING, "{text}");
    }
}

#[test]
fn merge_fields_are_held_against_their_list() {
    assert_eq!(with("Hi {{first_name}} of {{ Company }}", Some(&["first_name", "company"])), NOTHING);
    assert_eq!(with("Hi {{}} and {{ }}", Some(&[])), ["EMPTY_MERGE_FIELD {{}}", "EMPTY_MERGE_FIELD {{ }}"]);
    assert_eq!(
        with("Hi {{first_name}}", Some(&["last_name"])),
        ["UNLISTED_MERGE_FIELD {{first_name}}", "UNLISTED_MERGE_FIELD {{last_name}}"]
    );
    assert_eq!(told("Hi {{first_name}}"), NOTHING, "a script has no list");
}

#[test]
fn warnings_are_bounded_and_each_is_there_once() {
    let many: String = (0..100).map(|n| format!("It costs ${} now. ", 1_000 + n)).collect();
    assert_eq!(told(&many).len(), MAX_WARNINGS);
    assert_eq!(told("Pay $77. Pay $77. Pay $77!").len(), 1);
    let long = told(&format!("See [{}]", "word ".repeat(15)));
    assert!(long.iter().all(|warning| warning.chars().count() <= 130), "{long:?}");
}

#[test]
fn hostile_texts_are_read_too() {
    for text in [
        "",
        "{{",
        "}}{{",
        "[[[[",
        "<<<<",
        "%%%",
        "1.1.1.1.",
        "€€€",
        "1e999999",
        "\u{0}\u{202e}ü",
        "999999999999999999999999999999999999999999 EUR",
    ] {
        told(text);
    }
    for unit in ["[", "{{", "1.", "a.b", "<a", "%A", "A ", "https://", "1 000 "] {
        told(&unit.repeat(20_000 / unit.len()));
    }
}
