//! Table of the options of mixpanel-js 2.83. The guide's page on privacy shows the same table.

use crate::settings::js_options::OptionType::{Bool, Names, Number, OneOf, Text};
use crate::settings::js_options::{JsOption, OptionType};

/// Option that concerns the page only.
const fn page(name: &'static str, effect: &'static str) -> JsOption {
    JsOption {
        name,
        server_type: None,
        effect,
    }
}

/// Option that the server follows too.
const fn server(name: &'static str, server_type: OptionType, effect: &'static str) -> JsOption {
    JsOption {
        name,
        server_type: Some(server_type),
        effect,
    }
}

/// Options of mixpanel-js, sorted by name.
pub(crate) const OPTIONS: [JsOption; 81] = [
    page("api_extra_query_params", "requests of the page"),
    page(
        "api_host",
        "requests of the page; the server has `Builder::api_host`",
    ),
    page("api_hosts", "requests of the page"),
    page("api_method", "requests of the page"),
    page(
        "api_payload_format",
        "requests of the page; our default is `json`",
    ),
    page("api_routes", "requests of the page"),
    page("api_transport", "requests of the page"),
    page("app_host", "links that mixpanel-js makes"),
    page("autocapture", "what the visitor does in the page"),
    page(
        "autotrack",
        "what the visitor does in the page; no longer read by mixpanel-js",
    ),
    page("batch_autostart", "the queue of the page"),
    page("batch_flush_interval_ms", "the queue of the page"),
    page("batch_request_timeout_ms", "the queue of the page"),
    page("batch_requests", "the queue of the page"),
    page("batch_size", "the queue of the page"),
    page("cdn", "where mixpanel-js loads its parts from"),
    server(
        "cookie_domain",
        Text,
        "the domain of the cookies that it sets",
    ),
    server(
        "cookie_expiration",
        Number,
        "the lifetime, in days, of the cookies that it sets",
    ),
    server(
        "cookie_name",
        Text,
        "the name of the cookie that it reads and sets; `persistence_name` goes before it",
    ),
    server(
        "cross_site_cookie",
        Bool,
        "`SameSite=None; Secure` on the cookies that it sets",
    ),
    server(
        "cross_subdomain_cookie",
        Bool,
        "the domain of the cookies that it sets",
    ),
    page("debug", "the console of the page"),
    server(
        "disable_cookie",
        Bool,
        "sets no cookie for a first-time visitor; `set_device_cookie` is refused",
    ),
    page(
        "disable_notifications",
        "messages in the page; no longer read by mixpanel-js",
    ),
    server(
        "disable_persistence",
        Bool,
        "sets no cookie for a first-time visitor; `set_device_cookie` is refused",
    ),
    page("error_reporter", "a function, which JSON cannot hold"),
    page("flags", "feature flags in the page"),
    page(
        "hooks",
        "functions, which JSON cannot hold; the server has `Builder::before_send`",
    ),
    server("ignore_dnt", Bool, "as `respect_dnt(false)`"),
    page("img", "requests of the page"),
    page(
        "inapp_link_new_window",
        "messages in the page; no longer read by mixpanel-js",
    ),
    page(
        "inapp_protocol",
        "messages in the page; no longer read by mixpanel-js",
    ),
    server(
        "ip",
        Bool,
        "with `false`, as `Builder::ip(false)`: sends no address, and a profile says `$ip: \"0\"`",
    ),
    page("lib_base_path", "where mixpanel-js loads its parts from"),
    page("loaded", "a function, which JSON cannot hold"),
    page("mp_loader", "how mixpanel-js came into the page"),
    page(
        "opt_out_persistence_by_default",
        "what mixpanel-js stores of a visitor without consent; the silent mixpanel stores nothing",
    ),
    server(
        "opt_out_tracking_by_default",
        Bool,
        "denies consent where nothing else decides; not passed on to the page of a visitor with consent",
    ),
    server(
        "opt_out_tracking_cookie_prefix",
        Text,
        "the name of the consent cookie that it reads and sets",
    ),
    server(
        "opt_out_tracking_persistence_type",
        OneOf(&["cookie", "localStorage"]),
        "cannot see `localStorage`, which is refused unless `Builder::consent` decides; our default is `cookie`",
    ),
    server(
        "persistence",
        OneOf(&["cookie", "localStorage"]),
        "sets a cookie for a first-time visitor only with `cookie`; reads the cookie that there is",
    ),
    server(
        "persistence_name",
        Text,
        "the name of the cookie that it reads and sets",
    ),
    server(
        "property_blacklist",
        Names,
        "leaves these properties out of events; `token`, `distinct_id`, `time` and `$insert_id` stay, since Mixpanel takes no event without them",
    ),
    page(
        "record_allowed_iframe_origins",
        "session recording in the page",
    ),
    page("record_block_class", "session recording in the page"),
    page("record_block_selector", "session recording in the page"),
    page("record_canvas", "session recording in the page"),
    page("record_collect_fonts", "session recording in the page"),
    page("record_console", "session recording in the page"),
    page("record_heatmap_data", "session recording in the page"),
    page("record_idle_timeout_ms", "session recording in the page"),
    page("record_inline_images", "session recording in the page"),
    page("record_mask_all_inputs", "session recording in the page"),
    page("record_mask_all_text", "session recording in the page"),
    page(
        "record_mask_input_selector",
        "session recording in the page",
    ),
    page("record_mask_inputs", "session recording in the page"),
    page("record_mask_text_class", "session recording in the page"),
    page("record_mask_text_selector", "session recording in the page"),
    page("record_max_ms", "session recording in the page"),
    page("record_min_ms", "session recording in the page"),
    page("record_network", "session recording in the page"),
    page("record_network_options", "session recording in the page"),
    page("record_sessions_percent", "session recording in the page"),
    page(
        "record_unmask_input_selector",
        "session recording in the page",
    ),
    page(
        "record_unmask_text_selector",
        "session recording in the page",
    ),
    page("recorder_src", "where mixpanel-js loads its parts from"),
    page("recording_event_triggers", "session recording in the page"),
    page("remote_settings_mode", "settings that mixpanel-js fetches"),
    server(
        "save_referrer",
        Bool,
        "never stores the first referrer; sends the one that the cookie holds",
    ),
    server(
        "secure_cookie",
        Bool,
        "`Secure` on the cookies that it sets",
    ),
    page(
        "skip_first_touch_marketing",
        "a profile operation that only mixpanel-js makes",
    ),
    server(
        "stop_utm_persistence",
        Bool,
        "ignores campaign properties that the cookie holds, unless `store_google` is `false`",
    ),
    server(
        "store_google",
        Bool,
        "see `stop_utm_persistence` and `track_marketing`",
    ),
    page("targeting_src", "where mixpanel-js loads its parts from"),
    page("test", "requests of the page"),
    page("track_links_timeout", "clicks in the page"),
    server(
        "track_marketing",
        Bool,
        "with `false`, takes no click IDs from the URL, and campaign properties only where mixpanel-js would store them",
    ),
    page(
        "track_pageview",
        "page views that mixpanel-js tracks by itself",
    ),
    page("upgrade", "cookies of mixpanel-js before 2.0"),
    page("verbose", "requests of the page"),
    page("xhr_headers", "requests of the page"),
];
