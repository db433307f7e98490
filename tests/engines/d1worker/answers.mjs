// Cloudflare's answer envelope, and an error that knows how it is answered.

export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export function json(body, status = 200, headers = {}) {
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/json", ...headers },
  });
}

export function ok(result, extra = {}) {
  return json({ result, errors: [], messages: [], success: true, ...extra });
}

export function failure(status, code, message, headers = {}) {
  const errors = [{ code, message }];
  return json({ result: [], errors, messages: [], success: false }, status, headers);
}
