// Swagger UI, signed in with an API key: the token is fetched when a call needs one, kept over
// reloads and fetched anew when it has run out. The key stays in this tab and ends with it.
"use strict";

(() => {
  const SCHEME = "bearerToken";
  const FIRST_CALL = ["operations", "orders", "orders_create"];
  const KEPT = "exchange-docs-login";
  const EARLY_MS = 30_000; // before a token runs out
  const { schema, tokens } = document.currentScript.dataset;

  let login = restored();

  function restored() {
    try {
      return JSON.parse(sessionStorage.getItem(KEPT)) ?? {};
    } catch {
      return {};
    }
  }

  function keep(kept) {
    login = kept;
    try {
      sessionStorage.setItem(KEPT, JSON.stringify(kept));
    } catch {
      // Without storage the login ends with the page.
    }
  }

  // What is pasted as a token is sent as it is.
  const isToken = (text) => text.split(".").length === 3;

  async function tokenOf(key) {
    if (login.key === key && login.until > Date.now()) return login.token;
    const answer = await fetch(tokens, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ api_key: key }),
    });
    const body = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(body.detail ?? `The exchange answered ${answer.status}.`);
    const until = Date.now() + body.expires_in * 1000 - EARLY_MS;
    keep({ key, token: body.access_token, until });
    return body.access_token;
  }

  // Swagger knows the key; what goes out is a token of it.
  async function sendToken(request) {
    const [, sent] = /^Bearer (.*)$/.exec(request.headers?.Authorization ?? "") ?? [];
    if (sent && !isToken(sent)) request.headers.Authorization = `Bearer ${await tokenOf(sent)}`;
    return request;
  }

  // The token of a server since reset, or of a key since revoked, is not sent twice.
  function forgetRefused(response) {
    if (response.status === 401) keep({ key: login.key });
    return response;
  }

  const signIn = (authorize, system) => async (asked) => {
    const key = asked[SCHEME]?.value?.trim();
    const errors = { authId: SCHEME, type: "auth", source: "auth" };
    if (!key) return;
    system.errActions.clear(errors);
    try {
      if (isToken(key)) keep({ key });
      else await tokenOf(key);
    } catch (error) {
      system.errActions.newAuthErr({ ...errors, level: "error", message: error.message });
      return;
    }
    authorize({ ...asked, [SCHEME]: { ...asked[SCHEME], value: key } });
    if (system.authSelectors.shownDefinitions()) system.authActions.showDefinitions(false);
  };

  const signOut = (logout) => (names) => {
    keep({});
    return logout(names);
  };

  const dark = matchMedia("(prefers-color-scheme: dark)");
  const followTheme = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", followTheme);
  followTheme();

  const ui = SwaggerUIBundle({
    url: schema,
    dom_id: "#swagger-ui",
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    tryItOutEnabled: true,
    requestInterceptor: (request) => (request.loadSpec ? request : sendToken(request)),
    responseInterceptor: forgetRefused,
    plugins: [{ statePlugins: { auth: { wrapActions: { authorize: signIn, logout: signOut } } } }],
    onComplete() {
      if (login.key) ui.preauthorizeApiKey(SCHEME, login.key);
      ui.layoutActions.show(FIRST_CALL, true);
    },
  });
})();
