//! Lints on methods.

#[cfg(instrumented)]
use tracing_attributes::instrument;

pub struct Method;

impl Method {
    #[cfg_attr(annotated, mengpaneel::track("E"))]
    #[cfg_attr(instrumented, instrument(skip_all))]
    pub fn unused_self(&self) -> u32 {
        1
    }

    #[cfg_attr(annotated, mengpaneel::track("E"))]
    #[cfg_attr(instrumented, instrument(skip_all))]
    pub fn new() -> Method {
        Method
    }

    #[cfg_attr(annotated, mengpaneel::track("E"))]
    #[cfg_attr(instrumented, instrument(skip_all))]
    fn never_called(&self) {}

    #[cfg_attr(annotated, mengpaneel::track("E"))]
    #[cfg_attr(instrumented, instrument(skip_all))]
    pub fn self_by_value(self) -> u32 {
        1
    }

    #[cfg_attr(annotated, mengpaneel::track("E"))]
    #[cfg_attr(instrumented, instrument(skip_all))]
    pub async fn unused_self_of_async(&self) {}
}

pub struct Text(String);

impl Text {
    #[cfg_attr(annotated, mengpaneel::track("E"))]
    #[cfg_attr(instrumented, instrument(skip_all))]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[cfg_attr(annotated, mengpaneel::track("E"))]
    #[cfg_attr(instrumented, instrument(skip_all))]
    pub fn needless_lifetimes<'a>(&'a self) -> &'a str {
        &self.0
    }

    #[cfg_attr(annotated, mengpaneel::track("E"))]
    #[cfg_attr(instrumented, instrument(skip_all))]
    pub fn to_text(self) -> String {
        self.0
    }

    #[cfg_attr(annotated, mengpaneel::track("E"))]
    #[cfg_attr(instrumented, instrument(skip_all))]
    pub fn with_text(mut self, text: String) -> Self {
        self.0 = text;
        self
    }

    #[cfg_attr(annotated, mengpaneel::track("E"))]
    #[cfg_attr(instrumented, instrument(skip_all))]
    fn unnecessary_wraps(&self) -> Option<usize> {
        Some(self.0.len())
    }

    #[cfg_attr(annotated, mengpaneel::track("E"))]
    #[cfg_attr(instrumented, instrument(skip_all))]
    pub async fn unused_async(&self) -> usize {
        self.unnecessary_wraps().unwrap_or(1)
    }

    #[cfg_attr(annotated, mengpaneel::track("E"))]
    #[cfg_attr(instrumented, instrument(skip_all))]
    pub fn needless_pass_by_value(&self, other: Self) -> bool {
        self.0 == other.0
    }

    #[cfg_attr(annotated, mengpaneel::track("E"))]
    #[cfg_attr(instrumented, instrument(skip_all))]
    pub fn use_self(&self) -> Text {
        Text(self.0.clone())
    }

    #[cfg_attr(annotated, mengpaneel::track("E"))]
    #[cfg_attr(instrumented, instrument(skip_all))]
    pub fn missing_const(&self) -> u32 {
        1
    }
}

impl Default for Method {
    #[cfg_attr(annotated, mengpaneel::track("E"))]
    #[cfg_attr(instrumented, instrument(skip_all))]
    fn default() -> Self {
        Self::default()
    }
}

pub trait Named {
    #[cfg_attr(annotated, mengpaneel::track("E"))]
    #[cfg_attr(instrumented, instrument(skip_all))]
    fn provided(&self, n: u32) -> u32 {
        1
    }

    fn required(&self, text: String) -> Option<usize>;
}

impl Named for Text {
    #[cfg_attr(annotated, mengpaneel::track("E"))]
    #[cfg_attr(instrumented, instrument(skip_all))]
    fn required(&self, text: String) -> Option<usize> {
        let n = 1;
        Some(text.len())
    }
}
