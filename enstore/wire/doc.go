// Package wire is what the parts of a site say to each other: the messages between client,
// library manager and mover, the closed list of error kinds that survives a
// network, and the protocol on which file data travel.
//
// Its nouns: a [Control] is what a client asks, a [Dispatcher] what a mover asks; a [Put] or
// [Get] is answered by a [Ticket], then by a [Turn] with an address and a [Token], and in
// the end by a [Record] or an [Error] of some [Kind]. A [Listener] is a mover's data port, a
// [Conn] one end of a data connection.
//
// The mover's side of a write, with a request id from its lease:
//
//	p, err := listener.Expect(token, wire.WriteData, id) // then tell the library: Offer
//	defer p.Close()
//	c, err := p.Wait(ctx) // the client has connected
//	defer c.Close()
//	err = c.Ready()            // now it sends
//	_, err = io.Copy(block, c) // io.EOF after an End that agrees with what came
//	err = c.Result(&record, nil)
//
// and the client's:
//
//	c, err := wire.Dial(ctx, turn, wire.WriteData, nil)
//	defer c.Close()
//	err = c.AwaitReady(ctx)
//	_, err = c.ReadFrom(file)
//	err = c.Finish(c.Sum())
//	record, err := c.AwaitResult(ctx)
//
// The package keeps nothing, decides nothing and does not log. It knows of no drive
// and no database.
//
// # Data protocol, version 1
//
// One TCP connection carries the bytes of one file in one direction. The client connects,
// always; it got address and token from the control side. All integers are big-endian. The
// client speaks first, a hello of 32 bytes:
//
//	offset  length
//	0       8       magic, the ASCII letters ENSTDATA
//	8       2       version, 1
//	10      1       direction: 1 the client writes, 2 the client reads
//	11      1       0
//	12      16      token
//	28      4       CRC-32C of bytes 0 to 27
//
// The first 10 bytes are the same in every version. The server answers with 12 bytes:
//
//	0       8       magic
//	8       2       the server's own version
//	10      1       0 admitted; 1 the hello's version is not spoken here
//	11      1       0
//
// It answers 1 to a hello of a version that it does not know, as soon as it has those 10
// bytes, and closes. A hello that is wrong in any other way, a token that is not expected, or one used
// before, or expected for the other direction: the server closes without a word. It
// does not wait longer than 5 seconds for a hello, and serves at most 64 that are not complete.
// A token is good for one connection.
//
// After that both sides send frames, each a header of 12 bytes and a payload:
//
//	0       1       type
//	1       3       0
//	4       4       length of the payload, at most 1 MiB (1048576)
//	8       4       CRC-32C of the payload
//
// The types, with who may send them. The sender is the side that the data come from: the client
// when it writes, the server when the client reads.
//
//	1 Data      sender    content, 1 byte to 1 MiB
//	2 End       sender    8 bytes: size of the content; 4 bytes: its Adler-32, seed 1
//	3 Ready     server    no payload; the client may send data (only when it writes)
//	4 Refuse    server    an error; in place of Ready. Nothing was consumed: the client
//	                      asks the control side for its next turn
//	5 Result    receiver  {"record":…} or {"error":…}; the last frame of the receiver
//	6 Abort     sender    an error; in place of End. The content is worthless
//	7 Progress  both      1 byte: state (1 waiting, 2 streaming, 3 securing);
//	                      8 bytes: bytes of content that have passed so far
//
// Errors and results are JSON of at most 64 KiB, an error as [Error] marshals, a record as [Record].
//
// When the client writes: Ready or Refuse, then Data… and End or Abort, then Result, which comes once the
// level asked for is reached or the request failed. A Result with an error may come at any
// time, and then ends the transfer. When it reads: Data… and End or Abort from the server, then
// Result with neither record nor error from the client, which has checked size and Adler-32: the
// server knows then that the file has arrived.
//
// The server sends Progress whenever it has sent nothing for 10 seconds, in any state; a writing client does
// so too. Whoever waits for a frame and hears nothing for 30 seconds takes the other side for dead. A
// receiver may in addition refuse a sender that is alive but sends no data for long (the server's
// limit is [ListenerOptions].Stall), and a sender a receiver that takes none.
//
// A receiver must check: type allowed in this place, reserved bytes zero, length within its bound, CRC-32C
// of every frame, size and Adler-32 of End. A frame of another type is an error; there
// are no optional frames within a version. Whoever changes anything of this raises the version,
// and goes on to speak the older ones that a release ever spoke.
//
// The protocol neither encrypts nor proves who the server is. It is for loopback, or for the
// inside of a channel that does both.
package wire
