// One event of each call type, sent as docs/sdks.md says.

import com.segment.analytics.Analytics;
import com.segment.analytics.messages.AliasMessage;
import com.segment.analytics.messages.GroupMessage;
import com.segment.analytics.messages.IdentifyMessage;
import com.segment.analytics.messages.PageMessage;
import com.segment.analytics.messages.ScreenMessage;
import com.segment.analytics.messages.TrackMessage;
import java.time.Instant;
import java.util.Date;
import java.util.Map;

public class Main {
  public static void main(String[] arguments) throws Exception {
    // docs/sdks.md: Java
    Date happened = Date.from(Instant.parse("2026-05-01T10:00:00Z"));
    analytics.enqueue(IdentifyMessage.builder().userId("u1").traits(Map.of("plan", "free")));
    analytics.enqueue(
        TrackMessage.builder("Signed Up").userId("u1").properties(Map.of("plan", "free")).timestamp(happened));
    analytics.enqueue(PageMessage.builder("Home").userId("u1"));
    analytics.enqueue(ScreenMessage.builder("Start").anonymousId("a1"));
    analytics.enqueue(GroupMessage.builder("g1").userId("u1").traits(Map.of("name", "Initech")));
    analytics.enqueue(AliasMessage.builder("a1").userId("u1"));
    analytics.flush();
    System.in.readAllBytes();
    analytics.shutdown();
  }
}
