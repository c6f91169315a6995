// Asks the exchange, and says in a sentence why it gave no answer.

// Longest wait for an answer, in ms.
const PATIENCE = 30_000;

// The answer of any status. Throws where none comes.
export async function asked(url, options = {}) {
  try {
    return await fetch(url, { credentials: "same-origin", signal: AbortSignal.timeout(PATIENCE), ...options });
  } catch (error) {
    const late = error.name === "TimeoutError";
    throw new Error(late ? `none came within ${PATIENCE / 1000} seconds.` : "the exchange cannot be reached.");
  }
}

// What a refusal says; what stands between the exchange and a browser answers in words of its own.
export async function refusal(answer) {
  const { detail } = await answer.json().catch(() => ({}));
  return new Error(detail ?? `the exchange is not ready (${answer.status}); try again later.`);
}
