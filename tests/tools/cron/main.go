// Writes what robfig/cron v3 makes of expressions: the table that the parser of schedules is held to.
//
// Each line has a zone, an expression and either the error of its parser, after "!", or instants and the times after them, as
// seconds since 1970: "zone\texpression\tinstant:next,next,next instant:…". An instant without a next time ends with a colon, and one
// with which the search never ends with a question mark: where a clock skips midnight, robfig/cron can go round in circles. So the
// search is done by a child process ("next"), which is killed and started anew when it does not answer.
package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"strings"
	"time"
	_ "time/tzdata"

	"github.com/robfig/cron/v3"
)

// zones have clocks that change at odd times, by odd amounts, or never. None has changed its rules of late: the databases of Go and of
// our program may be of different releases.
var zones = []string{
	"UTC", "America/New_York", "Europe/Berlin", "America/Sao_Paulo", "Africa/Cairo", "Asia/Beirut", "Australia/Lord_Howe",
	"Pacific/Apia", "Asia/Kolkata", "America/St_Johns", "Antarctica/Troll", "Pacific/Chatham",
}

// written are expressions of people, of documentation and of bug reports, valid and not.
var written = []string{
	"* * * * *", "0 1 * * *", "0 */6 * * *", "*/15 * * * *", "@every 24h", "@every 1h30m", "@every 90s", "@every 1500ms", "@every 0s",
	"@every -1h", "@every 1", "@every", "@every 1h 2m", "@every 100000h", "@every 1.5h", "@every 1us", "@yearly", "@annually", "@monthly",
	"@weekly", "@daily", "@midnight", "@hourly", "@Daily", "@reboot", "@", "", " ", "*", "* *", "* * * *", "* * * * * *",
	"0 0 1 1 *", "0 0 29 2 *", "0 0 30 2 *", "0 0 31 4 *", "0 0 31 * *", "0 0 1-7 * 1", "0 0 13 * 5", "0 0 */2 * 1", "0 0 * * 1/2",
	"0 0 ? * 1", "0 0 1 * ?", "? ? ? ? ?", "30 2 * * *", "30 1 * * *", "0 2 * * *", "0 3 * * *", "59 23 31 12 *", "0 0 * * 0", "0 0 * * 7",
	"0 0 * * SUN", "0 0 * * sun-tue", "0 0 * * MON-FRI", "0 0 * * fri-mon", "0 0 1 JAN *", "0 0 1 jan-mar,Dec *", "0 0 1 foo *",
	"60 * * * *", "-1 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 0 *", "* * * 13 *", "* * * * 8", "5-1 * * * *",
	"1-5/2 * * * *", "5/10 * * * *", "5/0 * * * *", "*/0 * * * *", "*/61 * * * *", "1-2-3 * * * *", "1/2/3 * * * *", "1,2,,3 * * * *",
	", * * * *", "a * * * *", "1a * * * *", "1- * * * *", "-5 * * * *", "/5 * * * *", "*-5 * * * *", "*,1 * * * *", "1-*/2 * * * *",
	"?/2 * * * *", "0x5 * * * *", "+5 * * * *", "05 * * * *", "00 00 01 01 *", "99999999999999999999 * * * *", "4294967296 * * * *",
	"\t0\t1 * *  *  ", "0 1 * * *\n", "TZ=Europe/Berlin 30 2 * * *", "CRON_TZ=America/New_York 30 2 * * *", "TZ=UTC @daily", "TZ=Nowhere/Land 0 0 * * *",
	"TZ= 0 0 * * *", "TZ=Asia/Tokyo", "TZ=Asia/Tokyo ", "CRON_TZ=Asia/Tokyo @every 1h", "tz=UTC 0 0 * * *", "TZ=Local 0 0 * * *", "TZ=../etc/passwd 0 0 * * *",
	"0 0 L * *", "0 0 1W * *", "0 0 * * 1#2", "H 0 * * *", "0 0 1 1 1 2026", "0,30 8-18/2 1,15 1-6,9-12 mon,wed,fri",
}

// instants lie around changes of clocks, leap days and ends of years.
var instants = []string{
	"2026-03-08T06:30:00Z", "2026-03-29T00:15:30Z", "2026-11-01T04:59:59Z", "2026-10-25T00:30:00Z", "2028-02-28T23:59:59Z",
	"2026-12-31T23:59:59.5Z", "2018-11-04T02:00:00Z", "2011-12-29T20:00:00Z", "2026-04-04T14:59:00Z", "2026-10-03T15:00:00Z", "2024-04-25T21:00:00Z",
}

func field(r *rand.Rand, low, high int, names []string) string {
	number := func() string {
		n := low + r.Intn(high-low+1)
		if names != nil && r.Intn(4) == 0 {
			return names[n-low]
		}
		return fmt.Sprint(n)
	}
	part := func() string {
		switch r.Intn(8) {
		case 0:
			return "*"
		case 1:
			return fmt.Sprintf("*/%d", 1+r.Intn(high))
		case 2:
			return fmt.Sprintf("%s/%d", number(), 1+r.Intn(high))
		case 3:
			return number() + "-" + number()
		case 4:
			return fmt.Sprintf("%s-%s/%d", number(), number(), r.Intn(5))
		default:
			return number()
		}
	}
	parts := []string{part()}
	for r.Intn(4) == 0 {
		parts = append(parts, part())
	}
	return strings.Join(parts, ",")
}

func generated(r *rand.Rand) string {
	months := []string{"jan", "FEB", "Mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}
	days := []string{"sun", "Mon", "TUE", "wed", "thu", "fri", "sat"}
	star := func(field string) string {
		if r.Intn(2) == 0 {
			return "*"
		}
		return field
	}
	return strings.Join([]string{
		field(r, 0, 59, nil), star(field(r, 0, 23, nil)), star(field(r, 1, 31, nil)), star(field(r, 1, 12, months)), star(field(r, 0, 6, days)),
	}, " ")
}

// parse is robfig/cron's parser, which panics at some expressions.
func parse(expression string) (schedule cron.Schedule, err error) {
	defer func() {
		if failure := recover(); failure != nil {
			err = fmt.Errorf("panic: %v", failure)
		}
	}()
	return cron.ParseStandard(expression)
}

// child answers lines of zone, expression and instant with the next times.
func child() {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		parts := strings.Split(in.Text(), "\t")
		location, err := time.LoadLocation(parts[0])
		if err != nil {
			panic(err)
		}
		var expression string
		if _, err := fmt.Sscanf(parts[1], "%q", &expression); err != nil {
			panic(err)
		}
		schedule, err := parse(expression)
		if err != nil {
			panic(err)
		}
		instant, err := time.Parse(time.RFC3339Nano, parts[2])
		if err != nil {
			panic(err)
		}
		next := instant.In(location)
		var found []string
		for range 4 {
			next = schedule.Next(next)
			if next.IsZero() {
				break
			}
			found = append(found, fmt.Sprint(next.Unix()))
		}
		fmt.Println(strings.Join(found, ","))
	}
}

// searcher is a child process.
type searcher struct {
	command *exec.Cmd
	in      io.WriteCloser
	answers chan string
}

func start() *searcher {
	command := exec.Command(os.Args[0], "next")
	in, err := command.StdinPipe()
	if err != nil {
		panic(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		panic(err)
	}
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		panic(err)
	}
	s := &searcher{command, in, make(chan string)}
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			s.answers <- lines.Text()
		}
	}()
	return s
}

var running *searcher

// next is the times after an instant, or "?".
func next(zone, expression, instant string) string {
	if running == nil {
		running = start()
	}
	fmt.Fprintf(running.in, "%s\t%q\t%s\n", zone, expression, instant)
	select {
	case answer := <-running.answers:
		return answer
	case <-time.After(3 * time.Second):
		_ = running.command.Process.Kill()
		_ = running.command.Wait()
		running = nil
		return "?"
	}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "next" {
		child()
		return
	}
	r := rand.New(rand.NewSource(1))
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	expressions := written
	for range 900 {
		expressions = append(expressions, generated(r))
	}
	for i, expression := range expressions {
		for z, zone := range zones {
			// People's own in every zone; the others in some.
			if i >= len(written) && (i+z)%6 != 0 {
				continue
			}
			row(out, r, zone, expression, i < len(written))
		}
	}
}

func row(out *bufio.Writer, r *rand.Rand, zone, expression string, all bool) {
	if _, err := parse(expression); err != nil {
		if zone == "UTC" {
			fmt.Fprintf(out, "%s\t%q\t!%s\n", zone, expression, strings.ReplaceAll(err.Error(), "\n", `\n`))
		}
		return
	}
	var answers []string
	for _, instant := range instants {
		if all || r.Intn(3) == 0 {
			answers = append(answers, instant+":"+next(zone, expression, instant))
		}
	}
	fmt.Fprintf(out, "%s\t%q\t%s\n", zone, expression, strings.Join(answers, " "))
}
