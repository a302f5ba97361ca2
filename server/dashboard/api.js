/** REST: logging in and out. Everything else goes over the socket. */

import { noteServerTime } from "./clock.js";
import { Failure } from "./failure.js";

export const register = (username, password, email) =>
  post("/api/auth/register", email ? { username, password, email } : { username, password });

export const login = (username, password) => post("/api/auth/login", { username, password });

export const refresh = (refreshToken) => post("/api/auth/refresh", { refresh_token: refreshToken });

export const logout = (refreshToken) => post("/api/auth/logout", { refresh_token: refreshToken });

/** The `data` of the answer. Raises Failure, also where there is no answer at all. */
async function post(path, body) {
  let response, answer;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      cache: "no-store",
    });
  } catch {
    throw new Failure({ code: "unavailable", message: "The server can't be reached." });
  }
  noteServerTime(response.headers.get("date"), true);
  try {
    answer = await response.json();
  } catch {
    const code = response.status < 500 ? "internal" : "unavailable";
    throw new Failure({ code, message: `The server answered ${response.status}.` });
  }
  if (answer.success) return answer.data;
  throw new Failure(answer.error ?? { code: "internal", message: `The server answered ${response.status}.` });
}
