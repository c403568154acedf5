//! Changes of values after they were captured.

use quote::ToTokens;
use syn::{BinOp, Expr};

use crate::idents::unraw_name;

/// Mutation of a local, or of a field of one.
#[derive(Clone, Debug)]
pub(super) struct Mutation {
    pub(super) name: String,
    pub(super) fields: Vec<String>,
    /// True if the fields of the value are not affected: the value is a collection, which has none.
    pub(super) keeps_fields: bool,
}

/// Returns the mutation by an assignment to this expression: `total`, `order.total`, `*total`,
/// `totals[0]`.
pub(super) fn by_assignment(target: &Expr) -> Option<Mutation> {
    match target {
        Expr::Path(path) => {
            let name = unraw_name(path.path.get_ident()?);
            Some(Mutation {
                name,
                fields: vec![],
                keeps_fields: false,
            })
        }
        Expr::Field(field) => {
            let mut mutation = by_assignment(&field.base)?;
            mutation
                .fields
                .push(field.member.to_token_stream().to_string());
            Some(mutation)
        }
        Expr::Index(index) => by_assignment(&index.expr),
        Expr::Unary(unary) if matches!(unary.op, syn::UnOp::Deref(_)) => by_assignment(&unary.expr),
        Expr::Paren(paren) => by_assignment(&paren.expr),
        Expr::Group(group) => by_assignment(&group.expr),
        _ => None,
    }
}

/// Returns the mutation by `total += …`.
pub(super) fn by_operator(node: &syn::ExprBinary) -> Option<Mutation> {
    let assigns = matches!(
        node.op,
        BinOp::AddAssign(_)
            | BinOp::SubAssign(_)
            | BinOp::MulAssign(_)
            | BinOp::DivAssign(_)
            | BinOp::RemAssign(_)
            | BinOp::BitXorAssign(_)
            | BinOp::BitAndAssign(_)
            | BinOp::BitOrAssign(_)
            | BinOp::ShlAssign(_)
            | BinOp::ShrAssign(_)
    );
    assigns.then(|| by_assignment(&node.left)).flatten()
}

/// Methods of the standard library's collections that add elements.
const ADDING_METHODS: [&str; 7] = [
    "push",
    "push_str",
    "push_back",
    "push_front",
    "insert",
    "extend",
    "append",
];

/// Returns the mutation by `items.push(…)`.
pub(super) fn by_method(call: &syn::ExprMethodCall) -> Option<Mutation> {
    let adds = ADDING_METHODS.iter().any(|method| call.method == method);
    let mutation = adds.then(|| by_assignment(&call.receiver)).flatten()?;
    Some(Mutation {
        keeps_fields: true,
        ..mutation
    })
}
