package desk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/library"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/queue"
)

// Bounds of what is read: a question, and an answer, which may list a million requests.
const (
	maxQuestion = 64 << 10
	maxAnswer   = 2 << 30
	patience    = 30 * time.Second
)

// ErrNobody means that nobody is at the desk: no process has the site open.
var ErrNobody = errors.New("nobody is at the library manager's desk")

// Serve offers a desk on a listener until that is closed.
func Serve(l net.Listener, d Desk) *Server {
	s := &Server{http: &http.Server{Handler: handler(d), ReadHeaderTimeout: patience, ReadTimeout: patience, WriteTimeout: patience, MaxHeaderBytes: 16 << 10}, over: make(chan struct{})}
	go func() {
		defer close(s.over)
		_ = s.http.Serve(l) // ends with Close
	}()
	return s
}

// Server is a desk that is offered.
type Server struct {
	http *http.Server
	over chan struct{}
}

// Close ends it. Questions that are being answered are cut off.
func (s *Server) Close() error {
	err := s.http.Close()
	<-s.over
	return err
}

// answer is what goes over the wire.
type answer struct {
	Value json.RawMessage `json:"value,omitempty"`
	Error *wire.Error     `json:"error,omitempty"`
}

func handler(d Desk) http.Handler {
	mux := http.NewServeMux()
	on(mux, "GET /requests", func(ctx context.Context, _ *http.Request, _ none) (any, error) { return d.Requests(ctx) })
	on(mux, "GET /requests/{id}", func(ctx context.Context, r *http.Request, _ none) (any, error) {
		id, err := idOf(r)
		if err != nil {
			return nil, err
		}
		return d.Explain(ctx, id)
	})
	on(mux, "POST /requests/{id}", func(ctx context.Context, r *http.Request, c Change) (any, error) {
		id, err := idOf(r)
		if err != nil {
			return nil, err
		}
		return nil, d.Change(ctx, id, c)
	})
	on(mux, "GET /libraries", func(ctx context.Context, _ *http.Request, _ none) (any, error) { return d.Libraries(ctx) })
	on(mux, "POST /libraries", func(ctx context.Context, _ *http.Request, s library.LibraryState) (any, error) {
		return nil, d.SetState(ctx, s)
	})
	on(mux, "GET /shares", func(ctx context.Context, _ *http.Request, _ none) (any, error) { return d.Shares(ctx) })
	on(mux, "GET /strikes", func(ctx context.Context, _ *http.Request, _ none) (any, error) { return d.Strikes(ctx) })
	on(mux, "POST /forgive", func(ctx context.Context, _ *http.Request, p pair) (any, error) {
		return nil, d.Forgive(ctx, p.Drive, p.Volume)
	})
	on(mux, "POST /reload", func(ctx context.Context, _ *http.Request, _ none) (any, error) { return nil, d.Reload(ctx) })
	return mux
}

type (
	none struct{}
	pair struct {
		Drive  string
		Volume catalog.Label
	}
)

func idOf(r *http.Request) (id catalog.RequestID, err error) {
	if err := id.UnmarshalText([]byte(r.PathValue("id"))); err != nil {
		return id, wire.Errorf(wire.Invalid, "request", "%v", err)
	}
	return id, nil
}

// on answers one kind of question.
func on[Q any](mux *http.ServeMux, pattern string, ask func(context.Context, *http.Request, Q) (any, error)) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		var q Q
		var a answer
		value, err := any(nil), error(nil)
		if r.Method == http.MethodPost {
			d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxQuestion))
			d.DisallowUnknownFields()
			if e := d.Decode(&q); e != nil {
				err = wire.Errorf(wire.Invalid, "question", "%w", e)
			}
		}
		if err == nil {
			value, err = ask(r.Context(), r, q)
		}
		if err == nil && value != nil {
			a.Value, err = json.Marshal(value)
		}
		if err != nil {
			a = answer{Error: wire.AsError(err, "ask", "the library manager")}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(a)
	})
}

// Dial reaches a desk on a Unix socket. It is ErrNobody if nobody listens there.
func Dial(socket string) (*Client, error) {
	c, err := net.DialTimeout("unix", socket, patience)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNobody, err)
	}
	_ = c.Close()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &Client{http: &http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConns: 1}}}, nil
}

// Client is a desk in another process.
type Client struct{ http *http.Client }

var _ Desk = (*Client)(nil)

// Close lets the connection go.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (c *Client) ask(ctx context.Context, method, path string, q, value any) error {
	var body io.Reader
	if q != nil {
		b, err := json.Marshal(q)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://desk"+path, body)
	if err != nil {
		return err
	}
	res, err := c.http.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w: %w", ErrNobody, err)
	}
	defer res.Body.Close()
	var a answer
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&a); err != nil {
		return wire.Errorf(wire.Unavailable, "the library manager", "answer %s: %w", res.Status, err)
	}
	switch {
	case a.Error != nil:
		return a.Error
	case value != nil:
		if err := json.Unmarshal(a.Value, value); err != nil {
			return wire.Errorf(wire.Unavailable, "the library manager", "answer: %w", err)
		}
	}
	return nil
}

// Requests: see Desk.
func (c *Client) Requests(ctx context.Context) (all []library.Request, err error) {
	return all, c.ask(ctx, http.MethodGet, "/requests", nil, &all)
}

// Explain: see Desk.
func (c *Client) Explain(ctx context.Context, id catalog.RequestID) (e Explanation, err error) {
	return e, c.ask(ctx, http.MethodGet, "/requests/"+id.String(), nil, &e)
}

// Change: see Desk.
func (c *Client) Change(ctx context.Context, id catalog.RequestID, what Change) error {
	return c.ask(ctx, http.MethodPost, "/requests/"+id.String(), what, nil)
}

// Libraries: see Desk.
func (c *Client) Libraries(ctx context.Context) (all []Library, err error) {
	return all, c.ask(ctx, http.MethodGet, "/libraries", nil, &all)
}

// SetState: see Desk.
func (c *Client) SetState(ctx context.Context, s library.LibraryState) error {
	return c.ask(ctx, http.MethodPost, "/libraries", s, nil)
}

// Shares: see Desk.
func (c *Client) Shares(ctx context.Context) (all []queue.Share, err error) {
	return all, c.ask(ctx, http.MethodGet, "/shares", nil, &all)
}

// Strikes: see Desk.
func (c *Client) Strikes(ctx context.Context) (all []queue.Strike, err error) {
	return all, c.ask(ctx, http.MethodGet, "/strikes", nil, &all)
}

// Forgive: see Desk.
func (c *Client) Forgive(ctx context.Context, drive string, volume catalog.Label) error {
	return c.ask(ctx, http.MethodPost, "/forgive", pair{drive, volume}, nil)
}

// Reload: see Desk.
func (c *Client) Reload(ctx context.Context) error {
	return c.ask(ctx, http.MethodPost, "/reload", none{}, nil)
}
