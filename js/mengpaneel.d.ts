/**
 * Uses a mixpanel-js that the application loaded and initialised itself. Runs the page's queued
 * calls, and lets responses to requests to this origin carry calls.
 *
 * Only needed if Mengpaneel was built with `loader(Never)`.
 *
 * @param mixpanel initialised mixpanel-js
 * @param name name of a second Mengpaneel
 */
export declare function start(mixpanel: object, name?: string): void;
