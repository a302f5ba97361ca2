// The peer of benches: what the load asks for, on Node's Socket.IO server. usage: node peer.js --port N
const { createServer } = require("node:http");
const { Server } = require("../page/node_modules/socket.io");

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
    io.to(data.room).emit("attack", data);
    answer({ ok: true, hp: 87 });
  });
});

http.listen(Number(process.argv[3]), "127.0.0.1", () => {
  console.log(`Node is at http://127.0.0.1:${http.address().port}`);
});
