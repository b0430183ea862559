// One event of each call type, sent as docs/sdks.md says. The client's logger writes to stderr what it is told.
package main

import (
	"io"
	"log"
	"os"
	"time"

	"github.com/segmentio/analytics-go/v3"
)

func main() {
	// docs/sdks.md: Go
	if err != nil {
		log.Fatal(err)
	}
	happened := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	for _, message := range []analytics.Message{
		analytics.Identify{UserId: "u1", Traits: analytics.NewTraits().Set("plan", "free")},
		analytics.Track{
			UserId: "u1", Event: "Signed Up", Properties: analytics.NewProperties().Set("plan", "free"), Timestamp: happened,
		},
		analytics.Page{UserId: "u1", Name: "Home"},
		analytics.Screen{AnonymousId: "a1", Name: "Start"},
		analytics.Group{UserId: "u1", GroupId: "g1", Traits: analytics.NewTraits().SetName("Initech")},
		analytics.Alias{UserId: "u1", PreviousId: "a1"},
	} {
		if err := client.Enqueue(message); err != nil {
			log.Fatal(err)
		}
	}
	io.Copy(io.Discard, os.Stdin)
	client.Close()
}
