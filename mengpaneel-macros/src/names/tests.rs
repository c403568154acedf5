//! Free names, by hand and over random expressions.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream};
use proptest::prelude::*;
use quote::quote;

use super::*;

fn read(tokens: TokenStream) -> Uses {
    let mut reader = Reader::default();
    reader.expr(&syn::parse2(tokens).unwrap());
    reader.finish().unwrap()
}

fn free(tokens: TokenStream) -> Vec<String> {
    let names: BTreeSet<String> = read(tokens)
        .names
        .iter()
        .map(|used| text(&used.name))
        .collect();
    names.into_iter().collect()
}

fn refused(tokens: TokenStream) -> bool {
    let mut reader = Reader::default();
    reader.expr(&syn::parse2(tokens).unwrap());
    reader.finish().is_err()
}

/// One test for each expression and its free names.
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
    bindings_at_a_pattern: { match x { all @ 1..=9 => all, other => other } } => ["x"];
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
    shadowing_ends_with_the_block: { ({ let a = 1; a }, a) } => ["a"];
    arms_do_not_share_bindings: { match x { A(n) => n, B => n } } => ["n", "x"];
    macro_format_reads_arguments: { format!("{} {:?}", a, b.c) } => ["a", "b"];
    macro_format_reads_inlined_names: { format!("{title}: {n:>width$.prec$} {{no}} {0} {:?}", x) } => ["n", "prec", "title", "width", "x"];
    macro_format_zero_flag_is_no_name: { format!("{n:0w$}") } => ["n", "w"];
    macro_format_fill_is_no_name: { format!("{n:a<w$}") } => ["n", "w"];
    macro_format_named_arguments_bind: { format!("{u} {v}", u = user.name) } => ["user", "v"];
    macro_format_reads_keywords_as_raw: { format!("{type}") } => ["type"];
    macro_format_reads_ranges: { format!("{:?}", &post[..n]) } => ["n", "post"];
    macro_format_reads_matches: { format!("{}", match a { Some(b) => b, None => c }) } => ["a", "c"];
    macro_format_with_path: { std::format!("{x}") } => ["x"];
    macro_format_nests: { format!("{}", format!("{a}")) } => ["a"];
    macro_write_has_its_format_second: { write!(out, "{a}") } => ["a", "out"];
    macro_assert_reads_its_message: { assert!(ok, "{why}") } => ["ok", "why"];
    macro_assert_eq_reads_its_message: { assert_eq!(a, b, "{c}") } => ["a", "b", "c"];
    macro_matches_binds_in_its_guard: { matches!(x, Some(u) if u > limit) } => ["limit", "x"];
    macro_matches_binds_nothing_around: { matches!(x, Some(u) if u > 1) && u } => ["u", "x"];
    macro_vec_list: { vec![a, b.c] } => ["a", "b"];
    macro_vec_repeats: { vec![a; n] } => ["a", "n"];
    macro_dbg: { dbg!(a) } => ["a"];
    macro_json_object: { json!({"a": user.id, (key): v, name: null, "n": [1, x, {"y": z}]}) } => ["key", "name", "user", "v", "x", "z"];
    macro_json_reads_matches: { json!({"e": match &user { Some(u) => u.email, None => d }}) } => ["d", "user"];
    macro_json_reads_closures: { json!({"n": xs.iter().map(|x| x + y).count()}) } => ["xs", "y"];
    macro_json_reads_blocks: { json!({"n": { let a = b; a }.max(1)}) } => ["b"];
    macro_json_of_one_value: { serde_json::json!(x) } => ["x"];
    macro_stringify_reads_nothing: { stringify!(a b c) } => [];
    macro_concat_reads_nothing: { concat!("a", 1) } => [];
    macro_unknown_reads_what_nothing_binds: { my!(a, b.c, d::e, f!(), g: h) } => ["a", "b", "h"];
    macro_unknown_reads_ranges: { my!(a, ..b) } => ["a", "b"];
}

#[test]
fn unknown_macros_make_names_uncertain_that_they_may_bind() {
    let uncertain = |tokens| {
        read(tokens)
            .uncertain
            .iter()
            .map(|(name, _)| text(name))
            .collect::<Vec<_>>()
    };
    assert_eq!(uncertain(quote!(my!(|x| x + y))), ["x"]);
    assert_eq!(
        uncertain(quote!(my!(match a {
            b => c,
        }))),
        ["b"]
    );
    assert_eq!(uncertain(quote!(my!(let n = 1; n))), ["n"]);
    assert_eq!(uncertain(quote!(my!("{title}"))), ["title"]);
    assert!(uncertain(quote!(format!("{title}"))).is_empty());
}

#[test]
fn acts_on_the_function_are_refused() {
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
        assert!(refused(tokens.clone()), "{tokens}");
    }
}

#[test]
fn acts_on_what_the_expression_has_itself_are_allowed() {
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
        assert!(!refused(tokens.clone()), "{tokens}");
    }
}

#[test]
fn nearest_name_is_a_slip_away_or_there_is_none() {
    assert_eq!(nearest("identfy", ["alias", "identify"]), Some("identify"));
    assert_eq!(nearest("vai", ["via", "when", "on"]), Some("via"));
    assert_eq!(nearest("frobnicate", ["alias", "identify"]), None);
}

/// An expression whose free names are known by how it was made.
#[derive(Clone, Debug)]
enum Made {
    Name(usize),
    Number,
    Add(Box<Made>, Box<Made>),
    Field(Box<Made>),
    Let(usize, Box<Made>, Box<Made>),
    Match(Box<Made>, usize, Box<Made>, Box<Made>),
    IfLet(usize, Box<Made>, Box<Made>, Box<Made>),
    Closure(usize, Box<Made>),
    Loop(usize, Box<Made>, Box<Made>),
    Format(usize, usize, Box<Made>),
    Json(Box<Made>, Box<Made>),
    Matches(Box<Made>, usize, Box<Made>),
    Vec(Box<Made>, Box<Made>),
}

fn name(index: usize) -> Ident {
    Ident::new(["a", "b", "c", "r", "user"][index % 5], Span::call_site())
}

impl Made {
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
            Self::Field(of) => {
                let of = of.tokens();
                quote!((#of).user.a(1))
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
        let of = |index: usize| name(index).to_string();
        let without = |made: &Self, bound: usize| {
            let mut names = made.free();
            names.remove(&of(bound));
            names
        };
        let join = |parts: Vec<BTreeSet<String>>| parts.into_iter().flatten().collect();
        match self {
            Self::Name(index) => BTreeSet::from([of(*index)]),
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
                if of(*inlined) != of(*argument) {
                    names.insert(of(*inlined));
                }
                names
            }
            Self::Matches(value, bound, guard) => join(vec![value.free(), without(guard, *bound)]),
        }
    }
}

fn made() -> impl Strategy<Value = Made> {
    let leaf = prop_oneof![3 => (0_usize..5).prop_map(Made::Name), 1 => Just(Made::Number)];
    leaf.prop_recursive(5, 48, 4, |inner| {
        let boxed = || inner.clone().prop_map(Box::new);
        let name = || 0_usize..5;
        prop_oneof![
            (boxed(), boxed()).prop_map(|(a, b)| Made::Add(a, b)),
            boxed().prop_map(Made::Field),
            (name(), boxed(), boxed()).prop_map(|(n, a, b)| Made::Let(n, a, b)),
            (boxed(), name(), boxed(), boxed()).prop_map(|(a, n, b, c)| Made::Match(a, n, b, c)),
            (name(), boxed(), boxed(), boxed()).prop_map(|(n, a, b, c)| Made::IfLet(n, a, b, c)),
            (name(), boxed()).prop_map(|(n, a)| Made::Closure(n, a)),
            (name(), boxed(), boxed()).prop_map(|(n, a, b)| Made::Loop(n, a, b)),
            (name(), name(), boxed()).prop_map(|(n, m, a)| Made::Format(n, m, a)),
            (boxed(), boxed()).prop_map(|(a, b)| Made::Json(a, b)),
            (boxed(), name(), boxed()).prop_map(|(a, n, b)| Made::Matches(a, n, b)),
            (boxed(), boxed()).prop_map(|(a, b)| Made::Vec(a, b)),
        ]
    })
}

proptest! {
    #[test]
    fn free_names_of_random_expressions_follow_the_scopes(made in made()) {
        let expected: Vec<String> = made.free().into_iter().collect();
        prop_assert_eq!(free(made.tokens()), expected, "{}", made.tokens());
    }
}
