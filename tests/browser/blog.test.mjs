// The blog with the real mixpanel-js.
import { after } from "node:test";

import { startCdn } from "./blog.mjs";
import { testFlows } from "./flows.mjs";

let cdn;

after(() => cdn?.stop());

testFlows(async () => {
  cdn = await startCdn();
  return { MIXPANEL_LIB_URL: `${cdn.url}/mixpanel.js` };
}, "**/mixpanel.js");
