// The peer of benches: what the load asks for, on Node's Socket.IO server.
// usage: node peer.js [--store FILE] --port N
// With --store each strike is committed to SQLite before it is told, as one would write it: a
// transaction a strike, WAL, synchronous=FULL.
const { createServer } = require("node:http");
const { Server } = require("../page/node_modules/socket.io");

const option = (name) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
};

let store = () => {};
if (option("--store")) {
  const Database = require("./storing/node_modules/better-sqlite3");
  const database = new Database(option("--store"));
  database.pragma("journal_mode = wal");
  database.pragma("synchronous = full");
  database.exec("create table strikes (id integer primary key, room text not null, data text not null)");
  const insert = database.prepare("insert into strikes (room, data) values (?, ?)");
  store = (data) => insert.run(data.room, JSON.stringify(data));
}

const http = createServer();
// As it comes, but for compression, which would cost it time, and for what it would serve besides.
const io = new Server(http, { perMessageDeflate: false, httpCompression: false, serveClient: false });

io.on("connection", (socket) => {
  socket.on("join", ({ room }, answer) => {
    socket.join(room);
    answer({ ok: true });
  });
  socket.on("echo", (data, answer) => answer(data));
  socket.on("bcast", ({ room, msg }, answer) => {
    io.to(room).emit("msg", msg);
    answer?.({ ok: true });
  });
  socket.on("attack", (data, answer) => {
    store(data);
    io.to(data.room).emit("attack", data);
    answer({ ok: true, hp: 87 });
  });
});

http.listen(Number(option("--port")), "127.0.0.1", () => {
  console.log(`Node is at http://127.0.0.1:${http.address().port}`);
});
