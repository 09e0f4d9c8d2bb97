//! A tool's login: one per connection, shared by all its targets, renewed under one lock.
//!
//! However many targets find out at once that the login has lapsed, it is renewed once. A refused
//! credential is not tried again for a while: many refusals in a row can lock an account.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep, timeout_at};

use crate::connector::{Answer, ConnectorError, Said};
use crate::http::Caller;

/// How long a refused credential is left alone.
const AFTER_REFUSAL: Duration = Duration::from_secs(5 * 60);

/// A session older than this may have lapsed even where the tool says 403 instead of 401.
const OLD: Duration = Duration::from_secs(60 * 60);

/// How a tool is signed in to.
pub trait SignIn: Sync {
    type Ticket: Send + Sync;

    /// The sender of this operation; its deadline is ours.
    fn caller(&self) -> &Caller;

    fn sign_in(&self) -> impl Future<Output = Answer<Self::Ticket>> + Send;

    /// Whether the tool still takes this ticket, asked by a call that everybody may make.
    fn still_signed_in(&self, ticket: &Self::Ticket) -> impl Future<Output = bool> + Send;
}

/// The login of one connection.
pub struct Login<T>(Mutex<State<T>>);

enum State<T> {
    None,
    In { ticket: Arc<T>, since: Instant },
    Refused { said: Box<Said>, until: Instant },
}

impl<T> Default for Login<T> {
    fn default() -> Self {
        Self(Mutex::new(State::None))
    }
}

impl<T: Send + Sync> Login<T> {
    /// Calls with the login. If the tool says that it has lapsed, renews it and calls again.
    pub async fn call<S, R, F, A>(&self, tool: &S, call: F) -> Answer<R>
    where
        S: SignIn<Ticket = T>,
        F: Fn(Arc<T>) -> A,
        A: Future<Output = Answer<R>>,
    {
        let (ticket, age) = self.ticket(tool, None).await?;
        match call(Arc::clone(&ticket)).await {
            Err(ConnectorError::Unauthorized { said })
                if said.status == 401 || (said.status == 403 && age > OLD) => {}
            answer => return answer,
        }
        let (ticket, _) = self.ticket(tool, Some(&ticket)).await?;
        let said = match call(Arc::clone(&ticket)).await {
            Err(ConnectorError::Unauthorized { said }) if said.status == 401 => said,
            answer => return answer,
        };
        // Twice in a row. Either this call is refused whatever the login, which is final, or
        // somebody else who signs in with the same credential ends our session again and again.
        if tool.still_signed_in(&ticket).await {
            return Err(ConnectorError::Unauthorized { said });
        }
        let pause = rand::random_range(100..1000);
        sleep(Duration::from_millis(pause)).await;
        let (ticket, _) = self.ticket(tool, Some(&ticket)).await?;
        match call(ticket).await {
            Err(ConnectorError::Unauthorized { said }) if said.status == 401 => {
                Err(ConnectorError::SignedOut { said })
            }
            answer => answer,
        }
    }

    /// The login and its age; a new one if there is none, or if it is still the `stale` one.
    async fn ticket<S>(&self, tool: &S, stale: Option<&Arc<T>>) -> Answer<(Arc<T>, Duration)>
    where
        S: SignIn<Ticket = T>,
    {
        let mut state = self.lock(tool.caller()).await?;
        match &*state {
            State::In { ticket, since } if !stale.is_some_and(|old| Arc::ptr_eq(old, ticket)) => {
                return Ok((Arc::clone(ticket), since.elapsed()));
            }
            State::Refused { said, until } if Instant::now() < *until => {
                return Err(ConnectorError::SignInRefused { said: said.clone() });
            }
            State::None | State::In { .. } | State::Refused { .. } => {}
        }
        Ok((enter(&mut state, tool).await?, Duration::ZERO))
    }

    /// Signs in anew, whatever is remembered, a refusal included: for the one who must know what
    /// the credential is worth now, and decides when it is time to ask.
    pub async fn renew<S>(&self, tool: &S) -> Answer<()>
    where
        S: SignIn<Ticket = T>,
    {
        let mut state = self.lock(tool.caller()).await?;
        enter(&mut state, tool).await.map(drop)
    }

    /// Waits for its turn no longer than the operation may take.
    async fn lock(&self, caller: &Caller) -> Answer<MutexGuard<'_, State<T>>> {
        timeout_at(caller.deadline(), self.0.lock())
            .await
            .map_err(|_| ConnectorError::OutOfTime { place: "signing in".to_owned() })
    }
}

/// Signs in and remembers what came of it.
async fn enter<S: SignIn>(state: &mut State<S::Ticket>, tool: &S) -> Answer<Arc<S::Ticket>> {
    match tool.sign_in().await {
        Ok(ticket) => {
            let ticket = Arc::new(ticket);
            *state = State::In { ticket: Arc::clone(&ticket), since: Instant::now() };
            Ok(ticket)
        }
        Err(error) => {
            // What is remembered is told in other operations, which do not know what this one sent.
            let error = tool.caller().shown(error);
            *state = match &error {
                ConnectorError::SignInRefused { said } => {
                    State::Refused { said: said.clone(), until: Instant::now() + AFTER_REFUSAL }
                }
                _ => State::None,
            };
            Err(error)
        }
    }
}
