// Compiled, never run: the same for CommonJS.

import baton = require("baton-lock");
import lockfile = require("baton-lock/proper-lockfile");
import onboard = require("baton-lock/onboard");

export const token: number = baton.lockSync("a").token;
export const isLocked: boolean = lockfile.checkSync("file");
export const model: string | null = onboard.createSession().model;
export const release: Promise<() => Promise<void>> = lockfile("file");
