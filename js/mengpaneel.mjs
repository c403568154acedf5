import "./mengpaneel.js";

export function start(mixpanel, name) {
  if (typeof window !== "undefined" && window.mengpaneel && window.mengpaneel.start) {
    window.mengpaneel.start(mixpanel, name);
  }
}

export default { start };
