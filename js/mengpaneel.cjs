"use strict";

require("./mengpaneel.js");

exports.start = function start(mixpanel, name) {
  if (typeof window !== "undefined" && window.mengpaneel && window.mengpaneel.start) {
    window.mengpaneel.start(mixpanel, name);
  }
};
