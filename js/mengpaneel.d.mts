export { start } from "./mengpaneel.js";
import { start } from "./mengpaneel.js";

declare const mengpaneel: { start: typeof start };
export default mengpaneel;
