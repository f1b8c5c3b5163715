//! The provider simulator: the outside world that HelloSales talks to in development and in tests.
//!
//! A server of its own that speaks OpenAI's wire format (and Groq's dialect of it) and Gemini's, well enough that
//! the vendors' own SDKs work against it unchanged. It can be told over HTTP to be slow, to refuse,
//! to hang, to cut a stream, to answer nonsense and to hold an answer half-way. It also holds the
//! development token issuer. It shares no type with the product: what passes here passed on the wire.
//!
//! | path | what |
//! |---|---|
//! | `POST /v1/chat/completions`, `/openai/v1/chat/completions` | the provider, as OpenAI and as Groq |
//! | `POST /v1beta/models/{model}:generateContent`, `:streamGenerateContent`, `:countTokens` | the provider, as Gemini; `v1` and `v1alpha` are the same |
//! | `GET /v1beta/models`, `/v1beta/models/{model}` | Gemini's models |
//! | `GET /v1/models`, `/openai/v1/models` | the models it names (any other name is answered too) |
//! | `POST`, `GET`, `DELETE /_control` | add a fault rule; show them; back to normal, holds released |
//! | `GET`, `DELETE /_log` | every provider request, in order, with its end; forget them |
//! | `GET /.well-known/jwks.json`, `/sso/jwks/{client_id}` | the issuer's public key |
//! | `POST /_token` | a development token |
//! | `GET /health` | 200 |

#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "the outside world has a clock of its own")]

mod answer;
mod chat;
mod control;
mod dialect;
mod exchange;
mod facts;
mod fault;
mod google;
mod hold;
mod issuer;
mod letter;
mod log;
mod misfit;
mod openai;
mod pieces;
mod playback;
mod prompt;
mod refusal;
mod request;
mod schema;
mod server;
mod token;
mod writer;

pub use issuer::{Issuer, IssuerError};
pub use server::{Simulator, SimulatorConfig};
pub use token::{ISSUER, ParseRoleError, Role, TokenRequest};
