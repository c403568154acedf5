//! The table: each option of mixpanel-js 2.83 once. The guide's page on privacy shows it.

use crate::settings::js_options::JsOption;
use crate::settings::js_options::Takes::{Bool, Names, Number, OneOf, Text};

/// Options of mixpanel-js, by name.
pub(crate) const OPTIONS: [JsOption; 81] = [
    JsOption {
        name: "api_extra_query_params",
        binds_server: None,
        what: "requests of the page",
    },
    JsOption {
        name: "api_host",
        binds_server: None,
        what: "requests of the page; the server has `Builder::api_host`",
    },
    JsOption {
        name: "api_hosts",
        binds_server: None,
        what: "requests of the page",
    },
    JsOption {
        name: "api_method",
        binds_server: None,
        what: "requests of the page",
    },
    JsOption {
        name: "api_payload_format",
        binds_server: None,
        what: "requests of the page; our default is `json`",
    },
    JsOption {
        name: "api_routes",
        binds_server: None,
        what: "requests of the page",
    },
    JsOption {
        name: "api_transport",
        binds_server: None,
        what: "requests of the page",
    },
    JsOption {
        name: "app_host",
        binds_server: None,
        what: "links that mixpanel-js makes",
    },
    JsOption {
        name: "autocapture",
        binds_server: None,
        what: "what the visitor does in the page",
    },
    JsOption {
        name: "autotrack",
        binds_server: None,
        what: "what the visitor does in the page; no longer read by mixpanel-js",
    },
    JsOption {
        name: "batch_autostart",
        binds_server: None,
        what: "the queue of the page",
    },
    JsOption {
        name: "batch_flush_interval_ms",
        binds_server: None,
        what: "the queue of the page",
    },
    JsOption {
        name: "batch_request_timeout_ms",
        binds_server: None,
        what: "the queue of the page",
    },
    JsOption {
        name: "batch_requests",
        binds_server: None,
        what: "the queue of the page",
    },
    JsOption {
        name: "batch_size",
        binds_server: None,
        what: "the queue of the page",
    },
    JsOption {
        name: "cdn",
        binds_server: None,
        what: "where mixpanel-js loads its parts from",
    },
    JsOption {
        name: "cookie_domain",
        binds_server: Some(Text),
        what: "the domain of the cookies that it sets",
    },
    JsOption {
        name: "cookie_expiration",
        binds_server: Some(Number),
        what: "the lifetime, in days, of the cookies that it sets",
    },
    JsOption {
        name: "cookie_name",
        binds_server: Some(Text),
        what: "the name of the cookie that it reads and sets; `persistence_name` goes before it",
    },
    JsOption {
        name: "cross_site_cookie",
        binds_server: Some(Bool),
        what: "`SameSite=None; Secure` on the cookies that it sets",
    },
    JsOption {
        name: "cross_subdomain_cookie",
        binds_server: Some(Bool),
        what: "the domain of the cookies that it sets",
    },
    JsOption {
        name: "debug",
        binds_server: None,
        what: "the console of the page",
    },
    JsOption {
        name: "disable_cookie",
        binds_server: Some(Bool),
        what: "sets no cookie for a first-time visitor; `seed_cookie` is refused",
    },
    JsOption {
        name: "disable_notifications",
        binds_server: None,
        what: "messages in the page; no longer read by mixpanel-js",
    },
    JsOption {
        name: "disable_persistence",
        binds_server: Some(Bool),
        what: "sets no cookie for a first-time visitor; `seed_cookie` is refused",
    },
    JsOption {
        name: "error_reporter",
        binds_server: None,
        what: "a function, which JSON cannot hold",
    },
    JsOption {
        name: "flags",
        binds_server: None,
        what: "feature flags in the page",
    },
    JsOption {
        name: "hooks",
        binds_server: None,
        what: "functions, which JSON cannot hold; the server has `Builder::before_send`",
    },
    JsOption {
        name: "ignore_dnt",
        binds_server: Some(Bool),
        what: "as `respect_dnt(false)`",
    },
    JsOption {
        name: "img",
        binds_server: None,
        what: "requests of the page",
    },
    JsOption {
        name: "inapp_link_new_window",
        binds_server: None,
        what: "messages in the page; no longer read by mixpanel-js",
    },
    JsOption {
        name: "inapp_protocol",
        binds_server: None,
        what: "messages in the page; no longer read by mixpanel-js",
    },
    JsOption {
        name: "ip",
        binds_server: Some(Bool),
        what: "with `false`, as `Builder::ip(false)`: sends no address, and a profile says `$ip: \"0\"`",
    },
    JsOption {
        name: "lib_base_path",
        binds_server: None,
        what: "where mixpanel-js loads its parts from",
    },
    JsOption {
        name: "loaded",
        binds_server: None,
        what: "a function, which JSON cannot hold",
    },
    JsOption {
        name: "mp_loader",
        binds_server: None,
        what: "how mixpanel-js came into the page",
    },
    JsOption {
        name: "opt_out_persistence_by_default",
        binds_server: None,
        what: "what mixpanel-js stores of a visitor without consent; the silent mixpanel stores nothing",
    },
    JsOption {
        name: "opt_out_tracking_by_default",
        binds_server: Some(Bool),
        what: "denies consent where nothing else decides; not passed on to the page of a visitor with consent",
    },
    JsOption {
        name: "opt_out_tracking_cookie_prefix",
        binds_server: Some(Text),
        what: "the name of the consent cookie that it reads and sets",
    },
    JsOption {
        name: "opt_out_tracking_persistence_type",
        binds_server: Some(OneOf(&["cookie", "localStorage"])),
        what: "cannot see `localStorage`, which is refused unless `Builder::consent` decides; our default is `cookie`",
    },
    JsOption {
        name: "persistence",
        binds_server: Some(OneOf(&["cookie", "localStorage"])),
        what: "sets a cookie for a first-time visitor only with `cookie`; reads the cookie that there is",
    },
    JsOption {
        name: "persistence_name",
        binds_server: Some(Text),
        what: "the name of the cookie that it reads and sets",
    },
    JsOption {
        name: "property_blacklist",
        binds_server: Some(Names),
        what: "leaves these properties out of events; `token`, `distinct_id`, `time` and `$insert_id` stay, since Mixpanel takes no event without them",
    },
    JsOption {
        name: "record_allowed_iframe_origins",
        binds_server: None,
        what: "session recording in the page",
    },
    JsOption {
        name: "record_block_class",
        binds_server: None,
        what: "session recording in the page",
    },
    JsOption {
        name: "record_block_selector",
        binds_server: None,
        what: "session recording in the page",
    },
    JsOption {
        name: "record_canvas",
        binds_server: None,
        what: "session recording in the page",
    },
    JsOption {
        name: "record_collect_fonts",
        binds_server: None,
        what: "session recording in the page",
    },
    JsOption {
        name: "record_console",
        binds_server: None,
        what: "session recording in the page",
    },
    JsOption {
        name: "record_heatmap_data",
        binds_server: None,
        what: "session recording in the page",
    },
    JsOption {
        name: "record_idle_timeout_ms",
        binds_server: None,
        what: "session recording in the page",
    },
    JsOption {
        name: "record_inline_images",
        binds_server: None,
        what: "session recording in the page",
    },
    JsOption {
        name: "record_mask_all_inputs",
        binds_server: None,
        what: "session recording in the page",
    },
    JsOption {
        name: "record_mask_all_text",
        binds_server: None,
        what: "session recording in the page",
    },
    JsOption {
        name: "record_mask_input_selector",
        binds_server: None,
        what: "session recording in the page",
    },
    JsOption {
        name: "record_mask_inputs",
        binds_server: None,
        what: "session recording in the page",
    },
    JsOption {
        name: "record_mask_text_class",
        binds_server: None,
        what: "session recording in the page",
    },
    JsOption {
        name: "record_mask_text_selector",
        binds_server: None,
        what: "session recording in the page",
    },
    JsOption {
        name: "record_max_ms",
        binds_server: None,
        what: "session recording in the page",
    },
    JsOption {
        name: "record_min_ms",
        binds_server: None,
        what: "session recording in the page",
    },
    JsOption {
        name: "record_network",
        binds_server: None,
        what: "session recording in the page",
    },
    JsOption {
        name: "record_network_options",
        binds_server: None,
        what: "session recording in the page",
    },
    JsOption {
        name: "record_sessions_percent",
        binds_server: None,
        what: "session recording in the page",
    },
    JsOption {
        name: "record_unmask_input_selector",
        binds_server: None,
        what: "session recording in the page",
    },
    JsOption {
        name: "record_unmask_text_selector",
        binds_server: None,
        what: "session recording in the page",
    },
    JsOption {
        name: "recorder_src",
        binds_server: None,
        what: "where mixpanel-js loads its parts from",
    },
    JsOption {
        name: "recording_event_triggers",
        binds_server: None,
        what: "session recording in the page",
    },
    JsOption {
        name: "remote_settings_mode",
        binds_server: None,
        what: "settings that mixpanel-js fetches",
    },
    JsOption {
        name: "save_referrer",
        binds_server: Some(Bool),
        what: "never stores the first referrer; sends the one that the cookie holds",
    },
    JsOption {
        name: "secure_cookie",
        binds_server: Some(Bool),
        what: "`Secure` on the cookies that it sets",
    },
    JsOption {
        name: "skip_first_touch_marketing",
        binds_server: None,
        what: "a profile operation that only mixpanel-js makes",
    },
    JsOption {
        name: "stop_utm_persistence",
        binds_server: Some(Bool),
        what: "ignores campaign properties that the cookie holds, unless `store_google` is `false`",
    },
    JsOption {
        name: "store_google",
        binds_server: Some(Bool),
        what: "see `stop_utm_persistence` and `track_marketing`",
    },
    JsOption {
        name: "targeting_src",
        binds_server: None,
        what: "where mixpanel-js loads its parts from",
    },
    JsOption {
        name: "test",
        binds_server: None,
        what: "requests of the page",
    },
    JsOption {
        name: "track_links_timeout",
        binds_server: None,
        what: "clicks in the page",
    },
    JsOption {
        name: "track_marketing",
        binds_server: Some(Bool),
        what: "with `false`, takes no click IDs from the URL, and campaign properties only where mixpanel-js would store them",
    },
    JsOption {
        name: "track_pageview",
        binds_server: None,
        what: "page views that mixpanel-js tracks by itself",
    },
    JsOption {
        name: "upgrade",
        binds_server: None,
        what: "cookies of mixpanel-js before 2.0",
    },
    JsOption {
        name: "verbose",
        binds_server: None,
        what: "requests of the page",
    },
    JsOption {
        name: "xhr_headers",
        binds_server: None,
        what: "requests of the page",
    },
];
