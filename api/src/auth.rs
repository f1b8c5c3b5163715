//! Who calls, and what that person may do. The organisation is only ever taken from the verified token.

mod caller;
mod jwks;
mod permission;
mod token;

pub(crate) use caller::SignIns;
pub(crate) use caller::{
    AnyRunUse, BatchManage, BatchRead, BatchWrite, ChatUse, ContentRead, ContentWrite, DlqManage, DlqRead, Generate,
    SignedIn,
};
pub(crate) use caller::{Caller, May};
pub(crate) use jwks::Jwks;
pub(crate) use permission::Permission;
pub(crate) use token::Verifier;
