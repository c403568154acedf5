//! Free names of given and of random expressions.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream};
use proptest::prelude::*;
use quote::quote;

use super::*;

fn read(tokens: TokenStream) -> syn::Result<UsedIdents> {
    let mut visitor = FreeIdents::default();
    visitor.read_expr(&syn::parse2(tokens).unwrap());
    visitor.finish()
}

fn free(tokens: TokenStream) -> Vec<String> {
    let names: BTreeSet<String> = read(tokens)
        .unwrap()
        .free
        .iter()
        .map(|used| unraw_name(&used.ident))
        .collect();
    names.into_iter().collect()
}

fn is_rejected(tokens: TokenStream) -> bool {
    read(tokens).is_err()
}

/// Defines a test for each expression and its free names.
macro_rules! free_names {
    ($($test:ident: { $($tokens:tt)* } => [$($name:literal),*];)*) => {$(
        #[test]
        fn $test() {
            let expected: Vec<&str> = vec![$($name),*];
            assert_eq!(free(quote!($($tokens)*)), expected);
        }
    )*};
}

free_names! {
    fields_and_methods_are_no_names: { post.title.len() + Self::LIMIT } => ["post"];
    paths_are_no_names: { std::mem::size_of::<u8>() + a::b(c) } => ["c"];
    match_binds_for_its_arm: { match &user { Some(u) => u.email.as_str(), None => other } } => ["other", "user"];
    match_guard_sees_the_arm: { match x { n if n > limit => n, _ => 0 } } => ["limit", "x"];
    match_guard_binds_for_its_body: { match x { Some(a) if let Ok(b) = parse(a) => b, _ => c } } => ["c", "parse", "x"];
    if_let_binds_for_its_branch: { if let Some(u) = user { u.id } else { u } } => ["u", "user"];
    let_chain_binds_from_left_to_right: { if let Some(a) = x && let Some(b) = a.y && b > c { b } else { 0 } } => ["c", "x"];
    let_binds_for_what_follows: { { let a = a + 1; let b = a; b } } => ["a"];
    let_else_binds_after_it: { { let Some(n) = m else { panic!("{n}") }; n } } => ["m", "n"];
    closure_binds_for_its_body: { words.iter().map(|w| w.len()).sum::<usize>() + w } => ["w", "words"];
    closure_patterns_bind: { xs.iter().map(|&(a, ref b)| a + b + c) } => ["c", "xs"];
    nested_closures_capture: { |a| |b| a + b + c } => ["c"];
    for_binds_for_its_body: { { for i in items { use_it(i); } i } } => ["i", "items", "use_it"];
    while_let_binds_for_its_body: { { while let Some(x) = stack.pop() { drop(x); } x } } => ["drop", "stack", "x"];
    loop_labels_are_no_names: { 'a: loop { break 'a n } } => ["n"];
    items_are_in_scope_before_they_are_declared: { { let n = helper(1); fn helper(n: u8) -> u8 { n + m() } n } } => [];
    constants_are_in_scope_in_their_block: { { const limit: u8 = 3; limit } } => [];
    struct_shorthand_is_a_name: { Post { title, id: given } } => ["given", "title"];
    struct_base_is_a_name: { Post { id: 1, ..base } } => ["base"];
    struct_patterns_bind: { match p { Post { title, id: n } => title.len() + n } } => ["p"];
    uppercase_patterns_are_constants: { match x { MAX => a, None => b, _ => c } } => ["a", "b", "c", "x"];
    at_patterns_bind: { match x { all @ 1..=9 => all, other => other } } => ["x"];
    or_patterns_bind: { match x { A(n) | B(n) => n } } => ["x"];
    slices_bind_their_rest: { match xs { [first, rest @ ..] => first + rest.len(), [] => 0 } } => ["xs"];
    ranges_are_read: { &post[..n] } => ["n", "post"];
    ranges_in_fields_are_read: { a.b..c.d } => ["a", "c"];
    called_names_are_read: { total(v) } => ["total", "v"];
    indices_are_read: { a[i][j.k] } => ["a", "i", "j"];
    casts_read_the_value_alone: { n as usize } => ["n"];
    references_are_read: { (&a, &mut b, *c) } => ["a", "b", "c"];
    receiver_is_a_name: { self.name } => ["self"];
    raw_identifiers_are_the_same_name: { r#type.len() } => ["type"];
    async_blocks_are_read: { async { x.await } } => ["x"];
    const_arguments_are_no_names: { make::<{ N }>() } => [];
    turbofish_of_methods_is_skipped: { v.iter().collect::<Vec<_>>() } => ["v"];
    shadowing_ends_with_its_block: { ({ let a = 1; a }, a) } => ["a"];
    arms_do_not_share_bindings: { match x { A(n) => n, B => n } } => ["n", "x"];
    macro_format_reads_arguments: { format!("{} {:?}", a, b.c) } => ["a", "b"];
    macro_format_reads_inlined_names: { format!("{title}: {n:>width$.prec$} {{no}} {0} {:?}", x) } => ["n", "prec", "title", "width", "x"];
    macro_format_zero_flag_is_no_name: { format!("{n:0w$}") } => ["n", "w"];
    macro_format_fill_is_no_name: { format!("{n:a<w$}") } => ["n", "w"];
    macro_format_named_arguments_bind: { format!("{u} {v}", u = user.name) } => ["user", "v"];
    macro_format_reads_keywords_as_raw: { format!("{type}") } => ["type"];
    macro_format_reads_ranges: { format!("{:?}", &post[..n]) } => ["n", "post"];
    macro_format_reads_matches: { format!("{}", match a { Some(b) => b, None => c }) } => ["a", "c"];
    macro_format_is_known_by_its_path: { std::format!("{x}") } => ["x"];
    macro_format_reads_nested_macros: { format!("{}", format!("{a}")) } => ["a"];
    macro_write_has_its_format_second: { write!(out, "{a}") } => ["a", "out"];
    macro_assert_reads_its_message: { assert!(ok, "{why}") } => ["ok", "why"];
    macro_assert_eq_reads_its_message: { assert_eq!(a, b, "{c}") } => ["a", "b", "c"];
    macro_matches_binds_in_its_guard: { matches!(x, Some(u) if u > limit) } => ["limit", "x"];
    macro_matches_binds_nothing_outside: { matches!(x, Some(u) if u > 1) && u } => ["u", "x"];
    macro_vec_reads_its_items: { vec![a, b.c] } => ["a", "b"];
    macro_vec_reads_its_length: { vec![a; n] } => ["a", "n"];
    macro_dbg_reads_its_argument: { dbg!(a) } => ["a"];
    macro_json_reads_keys_and_values: { json!({"a": user.id, (key): v, name: null, "n": [1, x, {"y": z}]}) } => ["key", "name", "user", "v", "x", "z"];
    macro_json_reads_matches: { json!({"e": match &user { Some(u) => u.email, None => d }}) } => ["d", "user"];
    macro_json_reads_closures: { json!({"n": xs.iter().map(|x| x + y).count()}) } => ["xs", "y"];
    macro_json_reads_blocks: { json!({"n": { let a = b; a }.max(1)}) } => ["b"];
    macro_json_reads_a_single_value: { serde_json::json!(x) } => ["x"];
    macro_stringify_reads_nothing: { stringify!(a b c) } => [];
    macro_concat_reads_nothing: { concat!("a", 1) } => [];
    macro_unknown_reads_what_nothing_binds: { my!(a, b.c, d::e, f!(), g: h) } => ["a", "b", "h"];
    macro_unknown_reads_ranges: { my!(a, ..b) } => ["a", "b"];
}

#[test]
fn names_that_an_unknown_macro_may_bind_are_ambiguous() {
    let ambiguous = |tokens| {
        read(tokens)
            .unwrap()
            .ambiguous
            .iter()
            .map(|(ident, _)| unraw_name(ident))
            .collect::<Vec<_>>()
    };
    assert_eq!(ambiguous(quote!(my!(|x| x + y))), ["x"]);
    assert_eq!(
        ambiguous(quote!(my!(match a {
            b => c,
        }))),
        ["b"]
    );
    assert_eq!(ambiguous(quote!(my!(let n = 1; n))), ["n"]);
    assert_eq!(ambiguous(quote!(my!("{title}"))), ["title"]);
    assert!(ambiguous(quote!(format!("{title}"))).is_empty());
}

#[test]
fn operations_that_affect_the_function_are_rejected() {
    for tokens in [
        quote!(s.parse::<u8>()?),
        quote!(return 1),
        quote!(x.await),
        quote!({
            break;
        }),
        quote!(if a { return } else { b }),
        quote!(format!("{}", a?)),
        quote!(json!({"a": b?})),
        quote!(vec![a.await]),
        quote!(matches!(a?, Some(_))),
        quote!(match a {
            b => continue,
        }),
        quote!({
            for _ in x {}
            break;
        }),
        quote!(|| { break }),
        quote!('a: { break 'b }),
        quote!(async { 1 }.await),
        quote!(|x| x.await),
        quote!(Some(a?).map(|b| b)),
    ] {
        assert!(is_rejected(tokens.clone()), "{tokens}");
    }
}

#[test]
fn operations_within_the_expression_are_allowed() {
    for tokens in [
        quote!((|| Some(a?.b))()),
        quote!(|| return 1),
        quote!(async { a.await }),
        quote!(async { Ok(a?) }),
        quote!(loop {
            break 1;
        }),
        quote!({
            for x in y {
                if x {
                    continue;
                }
            }
            1
        }),
        quote!('a: {
            if b {
                break 'a 1;
            }
            2
        }),
        quote!('a: loop {
            loop {
                break 'a 1;
            }
        }),
        quote!(async || x.await),
        quote!(format!("{}", (|| a.parse::<u8>())().is_ok())),
    ] {
        assert!(!is_rejected(tokens.clone()), "{tokens}");
    }
}

/// Random expression whose free names are known from its construction.
#[derive(Clone, Debug)]
enum RandomExpr {
    Name(usize),
    Number,
    Add(Box<RandomExpr>, Box<RandomExpr>),
    Field(Box<RandomExpr>),
    Let(usize, Box<RandomExpr>, Box<RandomExpr>),
    Match(Box<RandomExpr>, usize, Box<RandomExpr>, Box<RandomExpr>),
    IfLet(usize, Box<RandomExpr>, Box<RandomExpr>, Box<RandomExpr>),
    Closure(usize, Box<RandomExpr>),
    Loop(usize, Box<RandomExpr>, Box<RandomExpr>),
    Format(usize, usize, Box<RandomExpr>),
    Json(Box<RandomExpr>, Box<RandomExpr>),
    Matches(Box<RandomExpr>, usize, Box<RandomExpr>),
    Vec(Box<RandomExpr>, Box<RandomExpr>),
}

fn name(index: usize) -> Ident {
    Ident::new(["a", "b", "c", "r", "user"][index % 5], Span::call_site())
}

impl RandomExpr {
    fn tokens(&self) -> TokenStream {
        match self {
            Self::Name(index) => {
                let name = name(*index);
                quote!(#name)
            }
            Self::Number => quote!(1),
            Self::Add(a, b) => {
                let (a, b) = (a.tokens(), b.tokens());
                quote!((#a) + (#b))
            }
            Self::Field(base) => {
                let base = base.tokens();
                quote!((#base).user.a(1))
            }
            Self::Let(bound, value, rest) => {
                let (bound, value, rest) = (name(*bound), value.tokens(), rest.tokens());
                quote!({ let #bound = #value; #rest })
            }
            Self::Match(value, bound, arm, other) => {
                let (value, bound, arm, other) =
                    (value.tokens(), name(*bound), arm.tokens(), other.tokens());
                quote!(match #value { Some(#bound) if #bound > 0 => #arm, _ => #other })
            }
            Self::IfLet(bound, value, then, otherwise) => {
                let (bound, value) = (name(*bound), value.tokens());
                let (then, otherwise) = (then.tokens(), otherwise.tokens());
                quote!(if let (#bound, ..) = (#value) && #bound > 0 { #then } else { #otherwise })
            }
            Self::Closure(bound, body) => {
                let (bound, body) = (name(*bound), body.tokens());
                quote!((|#bound| #body))
            }
            Self::Loop(bound, over, body) => {
                let (bound, over, body) = (name(*bound), over.tokens(), body.tokens());
                quote!({ for #bound in (#over) { (#body); } 1 })
            }
            Self::Format(inlined, argument, value) => {
                let text = format!("{{{}}} {{{}:?}} {{}}", name(*inlined), name(*argument));
                let (argument, value) = (name(*argument), value.tokens());
                quote!(format!(#text, #value, #argument = #value))
            }
            Self::Json(key, value) => {
                let (key, value) = (key.tokens(), value.tokens());
                quote!(json!({(#key): [(#value), null], "k": {"a": (#value)}}))
            }
            Self::Matches(value, bound, guard) => {
                let (value, bound, guard) = (value.tokens(), name(*bound), guard.tokens());
                quote!(matches!(#value, Some(#bound) if #guard))
            }
            Self::Vec(item, count) => {
                let (item, count) = (item.tokens(), count.tokens());
                quote!(vec![#item; #count])
            }
        }
    }

    fn free(&self) -> BTreeSet<String> {
        let name_at = |index: usize| name(index).to_string();
        let without = |expr: &Self, bound: usize| {
            let mut names = expr.free();
            names.remove(&name_at(bound));
            names
        };
        let join = |parts: Vec<BTreeSet<String>>| parts.into_iter().flatten().collect();
        match self {
            Self::Name(index) => BTreeSet::from([name_at(*index)]),
            Self::Number => BTreeSet::new(),
            Self::Field(a) => a.free(),
            Self::Add(a, b) | Self::Json(a, b) | Self::Vec(a, b) => join(vec![a.free(), b.free()]),
            Self::Let(bound, value, rest) => join(vec![value.free(), without(rest, *bound)]),
            Self::Match(value, bound, arm, other) => {
                join(vec![value.free(), without(arm, *bound), other.free()])
            }
            Self::IfLet(bound, value, then, otherwise) => {
                join(vec![value.free(), without(then, *bound), otherwise.free()])
            }
            Self::Closure(bound, body) => without(body, *bound),
            Self::Loop(bound, over, body) => join(vec![over.free(), without(body, *bound)]),
            Self::Format(inlined, argument, value) => {
                let mut names = value.free();
                if name_at(*inlined) != name_at(*argument) {
                    names.insert(name_at(*inlined));
                }
                names
            }
            Self::Matches(value, bound, guard) => join(vec![value.free(), without(guard, *bound)]),
        }
    }
}

fn random_expr() -> impl Strategy<Value = RandomExpr> {
    let leaf =
        prop_oneof![3 => (0_usize..5).prop_map(RandomExpr::Name), 1 => Just(RandomExpr::Number)];
    leaf.prop_recursive(5, 48, 4, |inner| {
        let boxed = || inner.clone().prop_map(Box::new);
        let name = || 0_usize..5;
        prop_oneof![
            (boxed(), boxed()).prop_map(|(a, b)| RandomExpr::Add(a, b)),
            boxed().prop_map(RandomExpr::Field),
            (name(), boxed(), boxed()).prop_map(|(n, a, b)| RandomExpr::Let(n, a, b)),
            (boxed(), name(), boxed(), boxed())
                .prop_map(|(a, n, b, c)| RandomExpr::Match(a, n, b, c)),
            (name(), boxed(), boxed(), boxed())
                .prop_map(|(n, a, b, c)| RandomExpr::IfLet(n, a, b, c)),
            (name(), boxed()).prop_map(|(n, a)| RandomExpr::Closure(n, a)),
            (name(), boxed(), boxed()).prop_map(|(n, a, b)| RandomExpr::Loop(n, a, b)),
            (name(), name(), boxed()).prop_map(|(n, m, a)| RandomExpr::Format(n, m, a)),
            (boxed(), boxed()).prop_map(|(a, b)| RandomExpr::Json(a, b)),
            (boxed(), name(), boxed()).prop_map(|(a, n, b)| RandomExpr::Matches(a, n, b)),
            (boxed(), boxed()).prop_map(|(a, b)| RandomExpr::Vec(a, b)),
        ]
    })
}

proptest! {
    #[test]
    fn free_names_of_random_expressions_follow_the_scopes(expr in random_expr()) {
        let expected: Vec<String> = expr.free().into_iter().collect();
        prop_assert_eq!(free(expr.tokens()), expected, "{}", expr.tokens());
    }
}
