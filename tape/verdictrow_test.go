package tape

import (
	"fmt"
	"slices"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/driver"
)

// Every row of the table decides about the codes that it names, says why, what to do and who taught it: none is hidden by one
// before it.
func TestEveryRowOfSenseVerdictsDecides(t *testing.T) {
	code := func(n, other int) uint8 {
		if n == any8 {
			return uint8(other)
		}
		return uint8(n)
	}
	for _, r := range senseVerdicts {
		t.Run(fmt.Sprintf("%x/%02x/%02x", r.key, r.asc, r.ascq), func(t *testing.T) {
			is := is.New(t)
			s := driver.Sense{Key: code(r.key, 1), ASC: code(r.asc, 0xf0), ASCQ: code(r.ascq, 0xf0)}
			v, why := Judge(driver.OutcomeMedium, s)
			is.Equal(v, r.verdict)
			is.Equal(why, r.why)
			is.True(v.Do != NoAdvice)
			is.True(slices.Contains([]string{"std", "ftt", "seen"}, r.from))
		})
	}
	for o, r := range outcomeVerdicts {
		is.New(t).True(r.verdict.Do != NoAdvice || o == driver.OutcomeNone)
	}
}

func TestJudgeAlert(t *testing.T) {
	is := is.New(t)
	for flag := -1; flag <= 65; flag++ {
		v, why := JudgeAlert(flag)
		is.True(why != "")
		is.True(v.Do == NoAdvice || v.Fault != FaultUnknown || v.Do == OtherDrive || v.Do == Retry || v.Do == StopDrive) // nobody is punished unblamed
	}
	v, why := JudgeAlert(20)
	is.Equal(v, Verdict{FaultDrive, false, CleanDrive})
	is.Equal(why, "the drive must be cleaned now")
	v, _ = JudgeAlert(64)
	is.Equal(v, Verdict{})
}
