# One workerd process that answers Cloudflare's D1 REST API on loopback.
# The state directory and the port are given on the command line.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "front", worker = .front),
    (name = "state", disk = (path = "state", writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "front")],
);

const front :Workerd.Worker = (
  modules = [
    (name = "front.mjs", esModule = embed "front.mjs"),
    (name = "answers.mjs", esModule = embed "answers.mjs"),
    (name = "statements.mjs", esModule = embed "statements.mjs"),
    (name = "faults.mjs", esModule = embed "faults.mjs"),
    (name = "bulk.mjs", esModule = embed "bulk.mjs"),
    (name = "d1object.mjs", esModule = embed "d1object.mjs"),
  ],
  compatibilityDate = "2025-01-01",
  durableObjectNamespaces = [
    # The key under which `wrangler dev` keeps its databases too.
    (className = "D1DatabaseObject", uniqueKey = "miniflare-D1DatabaseObject", enableSql = true),
    (className = "Registry", uniqueKey = "d1-registry", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "state"),
  bindings = [
    (name = "DATABASES", durableObjectNamespace = "D1DatabaseObject"),
    (name = "REGISTRY", durableObjectNamespace = "Registry"),
    (name = "TOKEN", fromEnvironment = "D1_TOKEN"),
  ],
);
