//! Expansions of typical uses. `INSTA_UPDATE=always cargo test -p mengpaneel-macros` updates the
//! snapshots.

use quote::quote;

use super::*;

/// Returns the formatted expansion.
#[allow(clippy::needless_pass_by_value, reason = "shorter calls in the tests")]
fn expanded(mode: Mode, args: TokenStream, item: TokenStream) -> String {
    let file = syn::parse2(attribute(mode, args, &item)).unwrap();
    prettyplease::unparse(&file)
}

#[test]
fn handler_captures_a_value_after_its_let() {
    insta::assert_snapshot!(expanded(
        Mode::Track,
        quote!("Create Blog Post", "Title" = post.title),
        quote! {
            #[post("/posts")]
            async fn create_post(form: Form<NewPost>, db: Data<Db>) -> actix_web::Result<Either<Redirect, Json<Post>>> {
                let post = db.insert_post(form.into_inner())?;
                answer(post)
            }
        },
    ));
}

#[test]
fn condition_guards_all_captures_of_its_attribute() {
    insta::assert_snapshot!(expanded(
        Mode::Setup,
        quote!(when(let Some(user) = &user), identify(user.id), people.set("$email" = user.email)),
        quote!(
            async fn signed_in(user: Option<CurrentUser>) {}
        ),
    ));
}

#[test]
fn several_attributes_share_one_frame() {
    insta::assert_snapshot!(expanded(
        Mode::BeforeSetup,
        quote!(alias(user.id)),
        quote! {
            #[mengpaneel::track("Sign Up", "ID" = user.id)]
            #[mengpaneel::setup(identify(user.id))]
            #[post("/users")]
            async fn sign_up(form: Form<NewUser>) -> HttpResponse {
                let user = insert(form);
                HttpResponse::Created().json(user)
            }
        },
    ));
}

#[test]
fn value_bound_by_a_match_arm_is_captured_in_the_arm() {
    insta::assert_snapshot!(expanded(
        Mode::Track,
        quote!("Complete Payment", via(server), "Payment ID" = payment.id),
        quote! {
            fn notified(status: &str, id: u32) -> Result<(), Error> {
                match find(id)? {
                    Some(payment) if status == "complete" => pay(payment),
                    _ => Ok(()),
                }
            }
        },
    ));
}

#[test]
fn body_is_not_parsed_if_it_binds_no_used_name() {
    let tokens = attribute(
        Mode::Track,
        quote!("Count", n = n),
        &quote!(
            fn count(n: u32) -> u32 {
                half typed 1 + ; n
            }
        ),
    );
    insta::assert_snapshot!(tokens.to_string().contains("half typed 1 + ; n"));
}

#[test]
fn guard_ends_its_frame_with_its_answer() {
    insta::assert_snapshot!(expanded(
        Mode::Track,
        quote!("Beta Route", on(always)),
        quote!(
            fn beta(ctx: &GuardContext<'_>) -> bool {
                ctx.head().headers().contains_key("beta")
            }
        ),
    ));
}

#[test]
fn bare_setup_of_a_middleware_is_limited_to_its_lines() {
    insta::assert_snapshot!(expanded(
        Mode::Setup,
        quote!(),
        quote!(
            async fn setting_up<B: MessageBody>(
                request: ServiceRequest,
                next: Next<B>,
            ) -> Result<ServiceResponse<B>, Error> {
                mengpaneel::identify(1);
                next.call(request).await
            }
        ),
    ));
}

#[test]
fn spread_and_computed_names_are_captured() {
    insta::assert_snapshot!(expanded(
        Mode::Track,
        quote!(
            events::ORDER,
            ..order,
            keys::PLAN = plan,
            { key(1) } = 1 + 1
        ),
        quote!(
            pub(crate) fn order(order: &Order, plan: &str) {
                place(order);
            }
        ),
    ));
}

#[test]
fn impl_trait_in_a_return_type_is_inferred() {
    insta::assert_snapshot!(expanded(
        Mode::Tracking,
        quote!(
            people.increment("Reads"),
            get_group("company", self.company).set("Plan", "pro")
        ),
        quote!(
            async fn read<'a, T: Read>(
                &'a mut self,
                from: T,
            ) -> Result<impl Iterator<Item = &'a str>, T::Error> {
                self.lines(from).await
            }
        ),
    ));
}

#[test]
fn error_leaves_the_function_unchanged() {
    insta::assert_snapshot!(expanded(
        Mode::Track,
        quote!("X", title =),
        quote!(
            #[mengpaneel::setup(identify(1))]
            fn half_typed(title: &str) -> usize {
                title.len()
            }
        ),
    ));
}

#[test]
fn attributes_above_an_ambiguous_one_are_deferred() {
    insta::assert_snapshot!(expanded(
        Mode::Track,
        quote!("X", id = id),
        quote!(
            #[mengpaneel::setup(identify(id))]
            #[setup]
            #[get("/x")]
            #[tracking(reset())]
            #[post("/x")]
            async fn waits(id: u32) {}
        ),
    ));
}

#[test]
fn crate_option_replaces_the_path_of_the_crate() {
    let expanded = expanded(
        Mode::Track,
        quote!("X", crate(crate::analytics::mengpaneel)),
        quote!(
            fn elsewhere() {}
        ),
    );
    assert!(expanded.contains("use crate::analytics::mengpaneel::__private as __mengpaneel;"));
    assert!(!expanded.contains("use ::mengpaneel"));
}
