//! Distributes the queues over the consumers of all workers. The store holds the registry of consumers.

use std::time::Duration;

use domain::ports::{ConsumerRegistry, Share};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::consumer_state::ConsumerState;

const RENEW_INTERVAL: Duration = Duration::from_secs(2);

/// A consumer whose registration was not renewed for this duration is removed.
const LIFETIME: Duration = Duration::from_secs(15);

/// Timeout of one renewal.
const RENEW_TIMEOUT: Duration = Duration::from_secs(10);

/// Registers the consumers and assigns a share to each, until `stop` is cancelled. Shares are assigned when two consecutive
/// renewals list the same consumers, so that workers that start together move their queues once. While the store is
/// unavailable, the shares are unchanged.
pub async fn run(
    registry: &dyn ConsumerRegistry,
    consumers: &[ConsumerState],
    stop: &CancellationToken,
) {
    let mut before: Vec<String> = Vec::new();
    loop {
        let own: Vec<_> = consumers
            .iter()
            .filter_map(|consumer| {
                let probe = consumer.probe()?;
                let member = probe.member()?;
                Some((member, probe))
            })
            .collect();
        let names: Vec<String> = own.iter().map(|(member, _)| member.clone()).collect();
        if !names.is_empty() {
            match timeout(RENEW_TIMEOUT, registry.renew(&names, LIFETIME)).await {
                Ok(Ok(all)) => {
                    if all == before {
                        let of = all.len();
                        for (member, probe) in &own {
                            if let Some(index) = all.iter().position(|one| one == member) {
                                probe.assign(member, Share { index, of });
                            }
                        }
                    }
                    before = all;
                }
                Ok(Err(error)) => {
                    debug!(%error, "consumers cannot be registered; keeping the shares");
                }
                Err(_) => debug!("consumers were not registered in time; keeping the shares"),
            }
        }
        tokio::select! {
            () = sleep(RENEW_INTERVAL) => {}
            () = stop.cancelled() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use domain::ports::{MockConsumerProbe, MockConsumerRegistry};

    use super::*;

    type Assigned = Arc<Mutex<Vec<(String, Share)>>>;

    fn consumer(member: &'static str, assigned: &Assigned) -> ConsumerState {
        let mut probe = MockConsumerProbe::new();
        probe
            .expect_member()
            .returning(move || Some(member.to_owned()));
        let assigned = Arc::clone(assigned);
        probe.expect_assign().returning(move |member, share| {
            assigned.lock().unwrap().push((member.to_owned(), share));
        });
        let state = ConsumerState::new(member);
        state.begin(Arc::new(probe));
        state
    }

    /// Runs while the registry lists these members at consecutive renewals; returns the assigned shares.
    async fn assigned_while(listed: &'static [&'static [&'static str]]) -> Vec<(String, Share)> {
        let assigned = Assigned::default();
        let consumers = [consumer("b", &assigned), consumer("d", &assigned)];
        let mut registry = MockConsumerRegistry::new();
        let mut renewals = 0;
        registry.expect_renew().returning(move |own, _| {
            assert_eq!(own, ["b".to_owned(), "d".to_owned()]);
            let all = listed[renewals.min(listed.len() - 1)];
            renewals += 1;
            Ok(all.iter().map(|&name| name.to_owned()).collect())
        });
        let stop = CancellationToken::new();
        let end = async {
            sleep(RENEW_INTERVAL / 2).await;
            for _ in 1..listed.len() {
                sleep(RENEW_INTERVAL).await;
            }
            stop.cancel();
        };
        tokio::join!(run(&registry, &consumers, &stop), end);

        assigned.lock().unwrap().clone()
    }

    #[tokio::test(start_paused = true)]
    async fn shares_are_assigned_when_the_consumers_are_stable() {
        let assigned = assigned_while(&[&["b", "d"], &["a", "b", "d"], &["a", "b", "d"]]).await;
        let share = |index| Share { index, of: 3 };
        let expected = [("b".to_owned(), share(1)), ("d".to_owned(), share(2))];
        assert_eq!(assigned, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn no_share_is_assigned_while_the_consumers_change() {
        let assigned = assigned_while(&[&["b", "d"], &["a", "b", "d"], &["b", "d"]]).await;
        assert_eq!(assigned, []);
    }
}
