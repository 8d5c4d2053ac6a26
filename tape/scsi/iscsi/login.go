package iscsi

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Unit says which logical unit is meant.
type Unit struct {
	Portal string // address with port, like 192.0.2.7:3260; without a port it is 3260
	Target string // iSCSI name
	LUN    int    // 0 to 16383
}

func (u Unit) String() string { return fmt.Sprintf("iscsi %s %s unit %d", u.Portal, u.Target, u.LUN) }

// MaxLUN is the highest number of a unit in flat space addressing (SAM-5, 4.7.7).
const MaxLUN = 1<<14 - 1

// Options may be left zero.
type Options struct {
	Initiator string        // our iSCSI name; "iqn.2026-01.io.github.enstore-go:initiator"
	Login     time.Duration // for the connection and the login; 30 s
}

func (o Options) withDefaults() Options {
	if o.Initiator == "" {
		o.Initiator = "iqn.2026-01.io.github.enstore-go:initiator"
	}
	if o.Login <= 0 {
		o.Login = 30 * time.Second
	}
	return o
}

// LoginError is a target's refusal (RFC 7143, 11.13.5).
type LoginError struct {
	Class, Detail uint8
}

var loginTexts = map[[2]uint8]string{
	{1, 1}: "the target has moved for now", {1, 2}: "the target has moved for good",
	{2, 0}: "the initiator is at fault", {2, 1}: "authentication failed", {2, 2}: "the initiator is not allowed here", {2, 3}: "there is no such target",
	{2, 4}: "the target is gone", {2, 5}: "the version is not supported", {2, 6}: "too many connections", {2, 7}: "a parameter is missing",
	{2, 8}: "the session cannot be joined", {2, 9}: "this kind of session is not supported", {2, 10}: "the session does not exist", {2, 11}: "invalid during login",
	{3, 0}: "the target is at fault", {3, 1}: "the target is out of service", {3, 2}: "the target is out of resources",
}

func (e *LoginError) Error() string {
	t := loginTexts[[2]uint8{e.Class, e.Detail}]
	if t == "" {
		t = "refused"
	}
	return fmt.Sprintf("iscsi: login: %s (status %02x%02x)", t, e.Class, e.Detail)
}

// limits are what was negotiated (RFC 7143, 13).
type limits struct {
	segment    int // longest data segment that the target takes
	firstBurst int
	maxBurst   int
	immediate  bool
	initialR2T bool
}

// Dial logs in to a unit. The end of ctx, or of Options.Login, gives up. A refusal is a *LoginError.
func Dial(ctx context.Context, u Unit, o Options) (*Session, error) {
	if u.LUN < 0 || u.LUN > MaxLUN {
		return nil, fmt.Errorf("%v: units are numbered 0 to %d", u, MaxLUN)
	}
	s, err := connect(ctx, u.Portal, o, "SessionType=Normal", "TargetName="+u.Target)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", u, err)
	}
	s.unit = u
	return s, nil
}

// connect makes the connection and logs in, with the keys beside those that every session has.
func connect(ctx context.Context, portal string, o Options, keys ...string) (*Session, error) {
	o = o.withDefaults()
	if _, _, err := net.SplitHostPort(portal); err != nil {
		portal = net.JoinHostPort(portal, "3260")
	}
	ctx, cancel := context.WithTimeout(ctx, o.Login)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "tcp", portal)
	if err != nil {
		return nil, err
	}
	s := newSession(c)
	defer s.interruptible(ctx)()
	if err := s.login(append([]string{"InitiatorName=" + o.Initiator}, keys...)); err != nil {
		_ = c.Close()
		if ctx.Err() != nil {
			err = fmt.Errorf("login: %w", context.Cause(ctx))
		}
		return nil, err
	}
	return s, nil
}

func newSession(c net.Conn) *Session {
	return &Session{wire: wire{c: c, r: bufio.NewReaderSize(c, 64<<10)}, cmdSN: 1}
}

// maxRounds bounds the rounds of a login or a text.
const maxRounds = 16

// login goes straight to operational negotiation, which a target that wants no authentication allows, and repeats until the target is done.
func (s *Session) login(keys []string) error {
	body := text(append(keys, "AuthMethod=None", "HeaderDigest=None", "DataDigest=None", "ImmediateData=Yes", "InitialR2T=No",
		fmt.Sprintf("MaxRecvDataSegmentLength=%d", maxSegment), "FirstBurstLength=1048576", "MaxBurstLength=16776192",
		"MaxConnections=1", "MaxOutstandingR2T=1", "DefaultTime2Wait=0", "DefaultTime2Retain=0", "DataPDUInOrder=Yes", "DataSequenceInOrder=Yes",
		"ErrorRecoveryLevel=0")...)
	var h header
	h[0] = opLogin | immediate
	h[1] = final | 1<<2 | 3 // from operational negotiation to full feature phase
	h[8] = 0x80             // a session id of random numbers
	if _, err := rand.Read(h[9:14]); err != nil {
		return err
	}
	h.put(24, s.cmdSN)
	got, total := pairs{}, 0
	for round := 1; ; round++ {
		if err := s.send(&h, body); err != nil {
			return err
		}
		r, err := s.next()
		if err != nil {
			return err
		}
		if r.op() != opLoginIn {
			return broken("login: opcode %#02x instead of a login response", r.op())
		}
		status, done, statSN := [2]uint8{r[36], r[37]}, r[1]&final != 0, r.get(24)
		b, err := s.small(maxText - total)
		if err != nil {
			return err
		}
		if status[0] != 0 {
			return &LoginError{status[0], status[1]}
		}
		total += len(b)
		if err := parsePairs(b, got.add); err != nil {
			return err
		}
		s.expStatSN = statSN + 1
		s.maxCmdSN = r.get(32)
		if done {
			break
		}
		if round == maxRounds {
			return broken("login: the target does not come to an end")
		}
		h.put(28, s.expStatSN)
		body = nil
	}
	return s.agree(got)
}

// agree takes over what the target answered. A key that it left out has its default.
func (s *Session) agree(got pairs) error {
	l := limits{segment: defaultSize, firstBurst: 64 << 10, maxBurst: 256 << 10, immediate: true, initialR2T: true}
	number := func(key string, to *int, most int) error {
		v, ok := got[key]
		if !ok {
			return nil
		}
		n, err := strconv.Atoi(v)
		if err != nil || n < 512 || n > 1<<24-1 {
			return broken("login: %s=%.20q", key, v)
		}
		*to = min(n, most)
		return nil
	}
	yes := func(key string, to *bool) error {
		switch v, ok := got[key]; {
		case ok && v != "Yes" && v != "No":
			return broken("login: %s=%.20q", key, v)
		case ok:
			*to = v == "Yes"
		}
		return nil
	}
	for _, err := range []error{
		number("MaxRecvDataSegmentLength", &l.segment, 1<<24-1), number("FirstBurstLength", &l.firstBurst, 1<<20), number("MaxBurstLength", &l.maxBurst, 1<<24-1),
		yes("ImmediateData", &l.immediate), yes("InitialR2T", &l.initialR2T),
	} {
		if err != nil {
			return err
		}
	}
	for _, k := range []string{"HeaderDigest", "DataDigest"} {
		if v, ok := got[k]; ok && v != "None" {
			return broken("login: the target wants %s=%.20q", k, v)
		}
	}
	s.limits = l
	return nil
}

// Target is what Discover finds.
type Target struct {
	Name    string   // iSCSI name
	Portals []string // addresses with ports
}

// Discover asks a portal which targets it has (SendTargets; RFC 7143, C).
func Discover(ctx context.Context, portal string, o Options) ([]Target, error) {
	s, err := connect(ctx, portal, o, "SessionType=Discovery")
	if err != nil {
		return nil, fmt.Errorf("iscsi %s: %w", portal, err)
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(ctx, o.withDefaults().Login)
	defer cancel()
	defer s.interruptible(ctx)()
	all, err := s.sendTargets()
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("iscsi %s: discovery: %w", portal, err)
	}
	return all, nil
}

func (s *Session) sendTargets() (all []Target, err error) {
	body := text("SendTargets=All")
	tag := uint32(noTag)
	total := 0
	for round := 1; ; round++ {
		var h header
		h[0] = opText | immediate
		h[1] = final
		h.put(16, 1)
		h.put(20, tag)
		h.put(24, s.cmdSN)
		h.put(28, s.expStatSN)
		if err := s.send(&h, body); err != nil {
			return nil, err
		}
		r, err := s.next()
		if err != nil {
			return nil, err
		}
		if r.op() != opTextIn {
			return nil, broken("opcode %#02x instead of a text response", r.op())
		}
		done, statSN := r[1]&final != 0, r.get(24)
		tag = r.get(20)
		b, err := s.small(maxText - total)
		if err != nil {
			return nil, err
		}
		total += len(b)
		s.expStatSN = statSN + 1
		err = parsePairs(b, func(k, v string) error {
			switch {
			case k == "TargetName":
				all = append(all, Target{Name: v})
			case k == "TargetAddress" && len(all) > 0:
				t := &all[len(all)-1]
				addr, _, _ := strings.Cut(v, ",") // behind it stands the portal group
				t.Portals = append(t.Portals, addr)
			}
			return nil
		})
		if err != nil || done {
			return all, err
		}
		if round == maxRounds || tag == noTag {
			return nil, broken("discovery: the target does not come to an end")
		}
		body = nil
	}
}
