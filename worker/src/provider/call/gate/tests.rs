//! What a gate lets in, and when it asks the others to come back.

use super::*;

const BULK: Asker = Asker { in_person: false, tokens: 100 };

fn gate() -> Arc<Gate> {
    Arc::new(Gate::new(Key::llm("groq", "m"), 4))
}

fn shut(gate: &Gate) -> Shut {
    match gate.stands(BULK) {
        Stands::Shut(shut) => shut,
        other => panic!("{other:?}"),
    }
}

fn open_for(wait: Duration) -> Option<OpenState> {
    Some(OpenState { wait: Some(wait), probing: None, tripped: false })
}

#[test]
fn those_who_wait_for_a_breaker_come_back_one_after_another() {
    let gate = gate();
    gate.learn_breaker(open_for(Duration::from_secs(60)));
    let waits: Vec<Duration> = (0..100).map(|_| shut(&gate).wait).collect();
    assert!(waits[0] > Duration::from_secs(59) && waits.is_sorted(), "{waits:?}");
    assert!(waits[99] - waits[0] > Duration::from_secs(5));
    gate.learn_breaker(open_for(Duration::from_secs(60)));
    assert!(shut(&gate).wait > waits[99], "the same time, seen again, has the same line");
    gate.learn_breaker(open_for(Duration::from_secs(120)));
    assert!(shut(&gate).wait < Duration::from_secs(121), "a later one has a line of its own");
}

#[test]
fn a_breaker_whose_time_has_come_lets_one_probe_and_none_beside_it() {
    let gate = gate();
    gate.learn_breaker(open_for(Duration::ZERO));
    assert!(matches!(gate.stands(BULK), Stands::Probe));
    gate.learn_probe(Duration::from_secs(25));
    assert!(shut(&gate).wait < Duration::from_secs(2), "soon, but not at once");
    gate.learn_breaker(None);
    assert!(matches!(gate.stands(BULK), Stands::Open));
}

#[test]
fn a_tripped_breaker_without_a_time_says_whose_it_is() {
    let gate = gate();
    gate.learn_breaker(Some(OpenState { wait: None, probing: None, tripped: true }));
    let shut = shut(&gate);
    assert_eq!((shut.reason, shut.detail.as_str()), (SnoozeReason::ProviderDown, "groq: stopped by an operator"));
}

#[test]
fn what_is_drawn_is_taken_once_and_lost_after_a_second() {
    let gate = gate();
    assert!(matches!(gate.take(BULK), Drawn::Here), "without a limit nothing is asked");
    let limit = Limit {
        provider: "groq".into(),
        model: "m".into(),
        requests_per_minute: Some(60),
        request_burst: None,
        tokens_per_minute: Some(60_000),
        token_burst: None,
    };
    gate.learn_limit(Some(limit));
    assert!(matches!(gate.take(BULK), Drawn::Ask));
    gate.put(BULK, 3, 250);
    assert!(matches!(gate.take(BULK), Drawn::Here));
    assert!(matches!(gate.take(BULK), Drawn::Ask), "a request is left, and too few tokens");
    let over = gate.over(BULK, Duration::from_secs(2), Short::Requests);
    assert_eq!((over.reason, over.detail.as_str()), (SnoozeReason::RateLimited, "groq: 60 requests a minute"));
    let next = gate.over(BULK, Duration::from_secs(2), Short::Requests);
    assert!(next.wait >= over.wait + Duration::from_millis(900), "{over:?} {next:?}");
}

#[test]
fn a_place_is_free_when_its_call_is_gone() {
    let gate = gate();
    let permits: Vec<Permit> = (0..4).map_while(|_| gate.enter(true).ok()).collect();
    assert_eq!(permits.len(), 4);
    let shut = gate.enter(true).unwrap_err();
    assert!(shut.wait < Duration::from_millis(400) && shut.detail == "groq: 4 calls at once", "{shut:?}");
    drop(permits);
    assert!(gate.enter(true).is_ok());
}
