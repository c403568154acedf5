//! What typical uses expand to. `INSTA_UPDATE=always cargo test -p mengpaneel-macros` writes them
//! anew.

use quote::quote;

use super::*;

/// The expansion, as a person would have written it.
#[allow(clippy::needless_pass_by_value, reason = "the tests read better so")]
fn expanded(mode: Mode, args: TokenStream, item: TokenStream) -> String {
    let file = syn::parse2(attribute(mode, args, &item)).unwrap();
    prettyplease::unparse(&file)
}

#[test]
fn a_handler_of_the_readme() {
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
fn who_is_signed_in() {
    insta::assert_snapshot!(expanded(
        Mode::Setup,
        quote!(when(let Some(user) = &user), identify(user.id), people.set("$email" = user.email)),
        quote!(
            async fn signed_in(user: Option<CurrentUser>) {}
        ),
    ));
}

#[test]
fn several_attributes() {
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
fn a_branch_and_the_server() {
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
fn a_body_that_binds_nothing_that_is_named_is_not_parsed() {
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
fn a_guard() {
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
fn a_bare_setup_of_a_middleware() {
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
fn a_spread_and_computed_names() {
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
fn an_impl_trait_behind_a_method() {
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
fn a_mistake_leaves_the_function_as_it_was() {
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
fn attribute_of_unknown_origin_is_waited_for() {
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
fn another_root() {
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
