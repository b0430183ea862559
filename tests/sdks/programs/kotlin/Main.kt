// One event of each call type that the SDK has, sent as docs/sdks.md says.

import com.segment.analytics.kotlin.core.Analytics
import com.segment.analytics.kotlin.core.Settings
import kotlin.concurrent.thread
import kotlin.system.exitProcess
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put
import kotlinx.serialization.json.putJsonObject

fun main() {
    // docs/sdks.md: Kotlin and Android
    analytics.identify("u1", buildJsonObject { put("plan", "free") })
    analytics.track("Signed Up", buildJsonObject { put("plan", "free") })
    analytics.screen("Start")
    analytics.group("g1", buildJsonObject { put("name", "Initech") })
    analytics.alias("u1")
    // It waits for its settings first, and tries again with the next flush: half a minute apart, if nobody asks.
    thread(isDaemon = true) {
        while (true) {
            analytics.flush()
            Thread.sleep(500)
        }
    }
    System.`in`.readAllBytes()
    exitProcess(0)
}
