#include <rapidcheck.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "lab/timeline_fixture.hpp"
#include "source_dir.hpp"

namespace ticklab::lab::testing {
namespace {

constexpr std::uint64_t kNeverWord = static_cast<std::uint64_t>(INT64_MAX);

Time ns(std::int64_t n) { return Time{sim::Duration{n * 1000}}; }

std::string read_file(const std::string& name) {
    std::ifstream file(name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// Where [ts, end) of each slice is, as text, in file order: "irq 0xec 5-9".
std::vector<std::string> slices(const ReadTimeline& t) {
    std::vector<std::string> found;
    for (const ReadEvent& e : t.events)
        if (e.fields["ph"] == "X")
            found.push_back(e.fields["name"].get<std::string>() + " " + std::to_string(e.ts_ns) + "-" +
                            std::to_string(e.end_ns));
    return found;
}

/// A periodic timer on CPU 1 of four, a migration to CPU 2, a lock that two CPUs want, a verdict.
std::string four_cpus() {
    TimelineOptions options = cpus(4);
    options.metadata = {{"seed", "7"},
                        {"scenario", "four \"CPUs\""},
                        {"scenario_hash", "00ff"},
                        {"version", "0.1.0"},
                        {"replay", "ticklab run four.json --seed 7"}};
    Recorder r(options);
    const auto c1 = r.name("C1");
    const auto irq = r.name("irq");
    const auto timer = r.name("watchdog");
    const auto lock = r.name("base lock");
    for (CpuId cpu = 1; cpu < 4; ++cpu)
        r.at(0, kIdleIn, cpu, {c1});
    const RecordId step = r.at(1'000, kStep, kNoCpu, {0});
    const RecordId out = r.at(1'500, kIdleOut, 1, {c1, irq}, step);
    const RecordId arm = r.at(2'000, kArm, 1, {timer, 9'000'000}, out);
    const RecordId armed = r.at(2'010, kProgram, 1, {9'000'000}, arm);
    r.at(2'500, kIdleIn, 1, {c1});
    r.at(9'300, kIdleOut, 1, {c1, irq}, armed);
    const RecordId in = r.at(9'400, kIrqIn, 1, {0xec}, armed);
    r.at(9'450, kWaitIn, 1, {lock});
    r.at_ps(9'500'250, kWaitOut, 1, {lock}, {}, step);
    const RecordId due = r.at(9'600, kDue, 1, {timer, 600'000}, in);
    const RecordId expire = r.at(9'600, kExpireIn, 1, {timer}, due);
    const RecordId again = r.at(9'700, kArm, 1, {timer, 19'000'000}, expire);
    r.at(9'710, kProgram, 1, {19'000'000}, again);
    r.at(9'800, kExpireOut, 1, {timer}, expire);
    r.at(9'900, kIrqOut, 1, {0xec}, in);
    r.at(10'000, kIdleIn, 1, {c1});
    r.at(12'000, kStop, 1, {19'000'000});
    r.at(12'000, kArm, 2, {timer, 19'000'000}, again);
    r.at(15'000, kSecret, 2, {1});
    r.at(18'000, kBroken, 3, {r.name("timer.lost")}, again);
    return r.finish(20'000);
}

}  // namespace

// TE 4. TICKLAB_REWRITE=1 rewrites the file.
TEST_CASE("timeline: a small machine gives the golden bytes") {
    const std::string text = four_cpus();
    const ReadTimeline t = read_sound(text);
    CHECK(t.threads.at({1, 1}) == "CPU 00");
    CHECK(t.threads.at({1, 4}) == "CPU 03");
    CHECK(t.metadata["seed"] == "7");
    CHECK(t.metadata["scenario"] == "four \"CPUs\"");
    const std::string golden = source_dir() + "/tests/golden/timeline-4cpu.json";
    if (std::getenv("TICKLAB_REWRITE") != nullptr)
        std::ofstream(golden, std::ios::binary) << text;
    CHECK(text == read_file(golden));
}

// TE 1: slices nest; ends without begins and overlaps do not disturb it.
TEST_CASE("timeline: slices nest whatever the records say") {
    struct Case {
        const char* what;
        void (*play)(Recorder&);
        std::vector<std::string> expected;
    };
    const Case cases[] = {
        {"nested",
         [](Recorder& r) {
             r.at(10, kIrqIn, 0, {1});
             r.at(20, kWaitIn, 0, {0});
             r.at(30, kWaitOut, 0, {0});
             r.at(40, kIrqOut, 0, {1});
         },
         {"irq 0x1 10-40", "lock wait 20-30"}},
        {"left open",
         [](Recorder& r) {
             r.at(10, kIrqIn, 0, {1});
             r.at(20, kWaitIn, 0, {0});
         },
         {"irq 0x1 10-1000", "lock wait 20-1000"}},
        {"an end without a begin",
         [](Recorder& r) {
             r.at(10, kIrqIn, 0, {1});
             r.at(15, kWaitOut, 0, {0});
             r.at(20, kIrqOut, 0, {1});
             r.at(25, kIrqOut, 0, {1});
         },
         {"irq 0x1 10-20"}},
        {"an overlap is cut where the earlier slice ends",
         [](Recorder& r) {
             r.at(10, kIrqIn, 0, {1});
             r.at(20, kWaitIn, 0, {0});
             r.at(30, kIrqOut, 0, {1});
             r.at(40, kWaitOut, 0, {0});
         },
         {"irq 0x1 10-30", "lock wait 20-30", "lock wait 30-40"}},
        {"an end goes to the begin with its key",
         [](Recorder& r) {
             r.at(10, kIrqIn, 0, {1});
             r.at(20, kIrqIn, 0, {2});
             r.at(30, kIrqOut, 0, {1});
             r.at(40, kIrqOut, 0, {2});
         },
         {"irq 0x1 10-30", "irq 0x2 20-30", "irq 0x2 30-40"}},
        {"an end with a foreign key closes the innermost",
         [](Recorder& r) {
             r.at(10, kIrqIn, 0, {1});
             r.at(20, kIrqIn, 0, {2});
             r.at(30, kIrqOut, 0, {3});
             r.at(40, kIrqOut, 0, {1});
         },
         {"irq 0x1 10-40", "irq 0x2 20-30"}},
        {"empty ones are a nanosecond wide and push what follows",
         [](Recorder& r) {
             r.at(10, kIrqIn, 0, {1});
             r.at(10, kWaitIn, 0, {0});
             r.at(10, kWaitOut, 0, {0});
             r.at(10, kWaitIn, 0, {0});
             r.at(10, kWaitOut, 0, {0});
             r.at(10, kIrqOut, 0, {1});
             r.at(10, kIrqIn, 0, {2});
             r.at(20, kIrqOut, 0, {2});
         },
         {"irq 0x1 10-12", "lock wait 10-11", "lock wait 11-12", "irq 0x2 12-20"}},
        {"picoseconds are rounded down at both ends",
         [](Recorder& r) {
             r.at_ps(10'999, kIrqIn, 0, {1});
             r.at_ps(11'001, kWaitIn, 0, {0});
             r.at_ps(11'999, kWaitOut, 0, {0});
             r.at_ps(12'000, kIrqOut, 0, {1});
         },
         {"irq 0x1 10-12", "lock wait 11-12"}},
        {"CPUs do not see each other",
         [](Recorder& r) {
             r.at(10, kIrqIn, 0, {1});
             r.at(20, kIrqIn, 1, {1});
             r.at(30, kIrqOut, 0, {1});
             r.at(40, kIrqOut, 1, {1});
         },
         {"irq 0x1 10-30", "irq 0x1 20-40"}},
    };
    for (const Case& c : cases) {
        CAPTURE(c.what);
        Recorder r(cpus(2));
        r.name("lock");
        c.play(r);
        CHECK(slices(read_sound(r.finish(1000))) == c.expected);
    }
}

TEST_CASE("timeline: slices deeper than the bound are left out and counted") {
    Recorder r(cpus(1));
    for (int i = 0; i < 200; ++i)
        r.at(i, kIrqIn, 0, {1});
    const ReadTimeline t = read_sound(r.finish(1000));
    CHECK(slices(t).size() == TimelineWriter::kDepthMax);
    CHECK(t.metadata["slices_too_deep"] == 200 - TimelineWriter::kDepthMax);
}

// TE 1: cuts clip what reaches over them.
TEST_CASE("timeline: from and to clip slices and intervals") {
    TimelineOptions options = cpus(2);
    options.from = ns(100);
    options.to = ns(200);
    Recorder r(options);
    const auto timer = r.name("t");
    r.at(10, kIrqIn, 0, {1});
    r.at(20, kWaitIn, 0, {0});
    r.at(30, kWaitOut, 0, {0});
    r.at(40, kArm, 0, {timer, kNeverWord});
    r.at(50, kIrqIn, 1, {2});
    r.at(60, kStep, kNoCpu, {1});
    r.at(70, kProgram, 0, {5'000'000});
    r.at(100, kIrqOut, 1, {2});
    r.at(150, kStep, kNoCpu, {2});
    r.at(160, kWaitIn, 0, {0});
    r.at(200, kStep, kNoCpu, {3});
    r.at(201, kStep, kNoCpu, {4});
    r.at(300, kIrqOut, 0, {1});
    const ReadTimeline t = read_sound(r.finish(400));
    CHECK(slices(t) == std::vector<std::string>{"irq 0x1 100-200", "lock wait 160-200"});
    CHECK(t.named("irq 0x1")[0]->fields["args"]["at_ns"] == 10);
    CHECK(t.named("irq 0x1")[0]->fields["args"]["unfinished"] == true);
    CHECK(t.named("step").size() == 2);
    const auto pending = t.named("timer pending");
    REQUIRE(pending.size() == 2);
    CHECK(pending[0]->ts_ns == 100);
    CHECK(pending[1]->ts_ns == 200);
    const auto counter = t.named("CPU 00 armed deadline");
    REQUIRE(counter.size() == 2);
    CHECK(counter[0]->fields["args"]["us"] == 5.0);
}

// What ends in the first nanosecond is not drawn, unless an arrow needs it.
TEST_CASE("timeline: what ends where the timeline begins") {
    for (const bool has_effect : {false, true}) {
        CAPTURE(has_effect);
        TimelineOptions options = cpus(2);
        options.from = ns(100);
        Recorder r(options);
        r.name("t");
        const RecordId irq = r.at(10, kIrqIn, 0, {1});
        const RecordId arm = r.at(20, kArm, 0, {0, 0});
        if (has_effect) {
            r.at(100, kWaitIn, 1, {0}, irq);
            r.at(100, kExpireIn, 1, {0}, arm);
        }
        r.at(100, kIrqOut, 0, {1});
        r.at(100, kDue, 0, {0, 0});
        r.at(110, kWaitIn, 0, {0}, irq);
        const ReadTimeline t = read_sound(r.finish(200));
        CHECK(t.named("irq 0x1").size() == (has_effect ? 1 : 0));
        CHECK(t.named("timer pending").size() == (has_effect ? 2 : 0));
        CHECK(t.named("lock wait").back()->fields["args"]["cause"] == "0x1");
    }
}

TEST_CASE("timeline: filters by category and CPU") {
    const auto play = [](TimelineOptions options) {
        Recorder r(std::move(options));
        r.name("x");
        for (CpuId cpu = 0; cpu < 3; ++cpu) {
            r.at(10 + cpu, kIrqIn, cpu, {1});
            r.at(20 + cpu, kWaitIn, cpu, {0});
            r.at(30 + cpu, kWaitOut, cpu, {0});
            r.at(40 + cpu, kIrqOut, cpu, {1});
        }
        r.at(50, kArm, 0, {0, 0});
        r.at(55, kStep, kNoCpu, {0});
        r.at(60, kDue, 2, {0, 0});
        return read_sound(r.finish(100));
    };
    TimelineOptions locks = cpus(3);
    locks.categories = {"lock"};
    CHECK(slices(play(locks)) == std::vector<std::string>{"lock wait 20-30", "lock wait 21-31", "lock wait 22-32"});
    CHECK(play(locks).events.size() == 3);

    TimelineOptions one = cpus(3);
    one.cpus = {0};
    const ReadTimeline t = play(one);
    CHECK(slices(t) == std::vector<std::string>{"irq 0x1 10-40", "lock wait 20-30"});
    CHECK(t.named("timer pending").size() == 2);
    CHECK(t.named("timer pending")[1]->ts_ns == 60);
    CHECK(t.named("step").size() == 1);
    CHECK_FALSE(t.threads.contains({1, 2}));
    CHECK(t.metadata["ends_without_begin"] == 0);
}

// TE 1: a guard against files that no browser opens.
TEST_CASE("timeline: too many events cut it, and the metadata say so") {
    TimelineOptions options = cpus(1);
    options.max_events = 10;
    Recorder r(options);
    r.name("t");
    r.at(1, kIrqIn, 0, {1});
    r.at(2, kArm, 0, {0, 0});
    for (int i = 3; i < 100; ++i)
        r.at(i, kStep, kNoCpu, {0});
    const ReadTimeline t = read_sound(r.finish(1000));
    CHECK(t.events.size() == 10);
    CHECK(t.metadata["events"] == 10);
    CHECK(t.metadata["cut"].get<std::string>().find("at 10 ns, after 10 events") == 0);
    CHECK(slices(t) == std::vector<std::string>{"irq 0x1 1-10"});

    Recorder small(options);
    small.at(1, kStep, kNoCpu, {0});
    CHECK_FALSE(read_sound(small.finish(1000)).metadata.contains("cut"));
}

// TE 1, flows: arrows follow causes, also through records that are not drawn or cannot carry one.
TEST_CASE("timeline: arrows follow causes") {
    Recorder r(cpus(2));
    r.name("t");
    const RecordId in = r.at(10, kIrqIn, 0, {1});
    const RecordId arm = r.at(10, kArm, 0, {0, 0}, in);
    const RecordId second = r.at(11, kExpireIn, 1, {0}, in);
    const RecordId program = r.at(12, kProgram, 0, {5'000}, arm);
    const RecordId hidden = r.at(13, kSecret, 0, {0}, program);
    const RecordId due = r.at(20, kDue, 0, {0, 0}, hidden);
    const RecordId expire = r.at(20, kExpireIn, 0, {0}, due);
    const RecordId out = r.at(30, kExpireOut, 0, {0}, expire);
    r.at(40, kArm, 0, {0, 0}, out);
    r.at(50, kExpireOut, 1, {0}, second);
    r.at(60, kIrqIn, 1, {2}, RecordId{999});
    const ReadTimeline t = read_sound(r.finish(100));

    const json irq = t.named("irq 0x1")[0]->fields;
    CHECK(irq["flow_out"] == true);
    CHECK_FALSE(irq.contains("flow_in"));
    const auto pending = t.named("timer pending");
    REQUIRE(pending.size() == 4);
    // The cause begins in the same nanosecond: the effect is drawn one later.
    CHECK(pending[0]->ts_ns == 11);
    CHECK(pending[0]->fields["args"]["at_ns"] == 10);
    for (const ReadEvent* e : t.named("timer expire"))
        if (e->fields["tid"] == 1) {
            CHECK(e->fields["flow_in"] == true);
            CHECK(e->fields["flow_out"] == true);
            CHECK(e->fields["bind_id"] == irq["bind_id"]);
        } else {
            // The irq's arrow went to its first effect.
            CHECK_FALSE(e->fields.contains("bind_id"));
            CHECK(e->fields["args"]["cause"] == "0x1");
        }
    CHECK(pending[2]->fields["flow_in"] == true);
    CHECK_FALSE(pending[2]->fields.contains("flow_out"));
    CHECK_FALSE(t.named("irq 0x2")[0]->fields.contains("bind_id"));
}

TEST_CASE("timeline: arming again closes the former interval") {
    Recorder r(cpus(1));
    r.name("a");
    r.name("b");
    r.at(10, kArm, 0, {0, 0});
    r.at(20, kArm, 0, {1, 0});
    r.at(30, kArm, 0, {0, 0});
    r.at(30, kArm, 0, {0, 0});
    r.at(40, kDue, 0, {0, 5'250});
    r.at(45, kDue, 0, {0, 0});
    const ReadTimeline t = read_sound(r.finish(50));
    std::string play;
    for (const ReadEvent* e : t.named("timer pending"))
        play += e->fields["ph"].get<std::string>() + e->fields["id"].get<std::string>() + "@" +
                std::to_string(e->ts_ns) + " ";
    CHECK(play == "b0@10 b1@20 e0@30 b0@30 e0@31 b0@31 e0@40 e1@50 ");
    CHECK(t.named("timer pending")[6]->fields["args"]["late_ns"] == 5.25);
    CHECK(t.named("timer pending")[7]->fields["args"]["unfinished"] == true);
    CHECK(t.metadata["ends_without_begin"] == 1);
}

// TE 1, counters: changes only, one sample at the begin and one at the end.
TEST_CASE("timeline: counters have samples at changes only") {
    Recorder r(cpus(12));
    r.at(5, kProgram, 11, {7'001'999});
    r.at(6, kProgram, 11, {7'001'999});
    r.at(7, kProgram, 11, {8'000'000});
    r.at(8, kStop, 11, {8'000'000});
    r.at(9, kProgram, 11, {kNeverWord});
    r.at(10, kProgram, kNoCpu, {1'000'000});
    const ReadTimeline t = read_sound(r.finish(20));
    std::string play;
    for (const ReadEvent* e : t.named("CPU 11 armed deadline"))
        play += std::to_string(e->ts_ns) + ":" + e->fields["args"].dump() + " ";
    CHECK(play == R"(0:{"us":0.0} 5:{"us":7.001} 7:{"us":8.0} 8:{"us":0.0} 20:{"us":0.0} )");
    CHECK(t.named("armed deadline").size() == 3);
    CHECK(t.threads.at({4, 13}) == "CPU 11 hardware");
    CHECK(t.threads.at({4, 1}) == "devices");
}

// TE 1: a process of objects, a thread each.
TEST_CASE("timeline: objects with tracks have rows, counters and marks there, in order of rank") {
    const auto play = [](TimelineOptions options) {
        Recorder r(std::move(options));
        const auto top = r.name("top"), left = r.name("left"), right = r.name("right");
        r.at(1, kGroupMade, 0, {top, 1});
        r.at(2, kGroupMade, 1, {left, 0});
        r.at(3, kGroupMade, 1, {right, 0});
        r.at(10, kGroupState, 0, {left, 1, 0});
        r.at(20, kGroupState, 1, {left, 3, 0});
        r.at(30, kGroupState, 1, {left, 3, 0});
        r.at(35, kGroupQueue, 1, {left, 5'000, 1});
        r.at(40, kGroupState, 0, {left, 2, 1});
        r.at(45, kGroupQueue, 1, {left, kNeverWord, 0});
        r.at(50, kGroupState, 1, {left, 0, kNoCpu});
        return read_sound(r.finish(60));
    };
    const ReadTimeline t = play(cpus(2));
    CHECK(t.threads.at({3, 1}) == "LVL 1 top");
    CHECK(t.threads.at({3, 2}) == "LVL 0 left");
    CHECK(t.threads.at({3, 3}) == "LVL 0 right");
    CHECK(t.sort_indexes.at({3, 2}) < t.sort_indexes.at({3, 3}));
    CHECK(t.sort_indexes.at({3, 3}) < t.sort_indexes.at({3, 1}));
    CHECK(slices(t) == std::vector<std::string>{"migrator CPU 0 10-40", "active 0x1 10-20", "active 0x3 20-40",
                                                "migrator CPU 1 40-50", "active 0x2 40-50", "migrator none 50-60",
                                                "active 0x0 50-60"});
    CHECK(t.named("active 0x3")[0]->fields["args"]["on_cpu"] == 1);
    std::string counted;
    for (const ReadEvent* e : t.named("LVL 0 left next expiry"))
        counted += std::to_string(e->ts_ns) + ":" + e->fields["args"].dump() + " ";
    CHECK(counted == R"(0:{"us":0.0} 35:{"us":5.0} 45:{"us":0.0} 60:{"us":0.0} )");
    CHECK(t.named("LVL 0 left queued").size() == 4);
    // On the CPU's track too, but for the hidden kind.
    CHECK(t.named("group_made").size() == 6);
    CHECK(t.named("group_state").size() == 5);
    CHECK(t.named("group_queue").size() == 2);

    TimelineOptions late = cpus(2);
    late.from = ns(25);
    late.cpus = {1};
    const ReadTimeline cut = play(late);
    // What other CPUs did is part of the state.
    CHECK(slices(cut) == std::vector<std::string>{"migrator CPU 0 25-40", "active 0x3 25-40", "migrator CPU 1 40-50",
                                                  "active 0x2 40-50", "migrator none 50-60", "active 0x0 50-60"});
    TimelineOptions irqs = cpus(2);
    irqs.categories = {"irq"};
    CHECK(play(irqs).events.empty());
}

TEST_CASE("timeline: operands are shown by their types") {
    Recorder r(cpus(1));
    const auto name = r.name("quote \" back \\ bell \x07 bad \xff");
    r.at(1, kTypes, 0,
         {std::uint64_t{1} << 63, static_cast<std::uint64_t>(-5), 0xab, 1, kNoCpu, kNeverWord,
          static_cast<std::uint64_t>(-1'500), 42, name});
    const json args = read_sound(r.finish(2)).named("types")[0]->fields["args"];
    CHECK(args["big"] == "9223372036854775808");
    CHECK(args["signed"] == -5);
    CHECK(args["mask"] == "0xab");
    CHECK(args["flag"] == true);
    CHECK(args["cpu"] == "none");
    CHECK(args["at_ns"] == "never");
    CHECK(args["span_ns"] == -1.5);
    CHECK(args["expires_ns"] == 42);
    CHECK(args["name"] == "quote \" back \\ bell \x07 bad \xef\xbf\xbd");
}

TEST_CASE("timeline: declarations that make no timeline are refused") {
    constexpr auto kBegin = TimelineShape::kSliceBegin;
    static constexpr RecordKind kNameless{950, "test", "nameless", "irq", kBegin, {}, "", {}};
    static constexpr RecordKind kObjectless{951, "test", "objectless", "irq", TimelineShape::kAsyncEnd, "x", "", {}};
    static constexpr RecordKind kTwin{900, "test", "twin", "irq", TimelineShape::kInstant, {}, "", {}};
    static constexpr RecordKind kUncountable{
        952, "test", "uncountable", "irq", TimelineShape::kInstant, {}, "", {{"n", OperandType::kName, "c"}}};
    constexpr auto kMark = TimelineShape::kInstant;
    static constexpr RecordKind kTrackless{953,   "test", "trackless", "irq",
                                           kMark, {},     "",          {{"n", OperandType::kHex, "n", DrawnAs::kRow}}};
    static constexpr RecordKind kNumbered{954,   "test", "numbered", "irq",
                                          kMark, {},     "",         {{"n", OperandType::kHex, "n", DrawnAs::kTrack}}};
    static constexpr RecordKind kTwoTracks{
        955,
        "test",
        "two_tracks",
        "irq",
        kMark,
        {},
        "",
        {{"a", OperandType::kObject, "p", DrawnAs::kTrack}, {"b", OperandType::kObject, "p", DrawnAs::kTrack}}};
    struct Case {
        const RecordKind* kind;
        const char* message;
    };
    const Case cases[] = {
        {&kNameless, "record kind test:nameless (id 950): a begin or end needs the name of a slice"},
        {&kObjectless, "record kind test:objectless (id 951): an async begin or end needs an object as operand 0"},
        {&kTwin, "record kind test:twin (id 900): its id is that of test:irq_entry too"},
        {&kTrackless,
         "record kind test:trackless (id 953): a row or a rank needs an operand that is an object with a track"},
        {&kNumbered, "record kind test:numbered (id 954): operand \"n\" is to have a track but is no object"},
        {&kTwoTracks, "record kind test:two_tracks (id 955): operand \"b\" is one too many: \"a\" is drawn as that"},
        {&kUncountable, "record kind test:uncountable (id 952): operand \"n\" has a counter but is no number"},
    };
    for (const Case& c : cases) {
        const std::array kinds{&kIrqIn, c.kind};
        CHECK_THROWS_WITH_AS(TimelineKinds{kinds}, c.message, std::invalid_argument);
    }
    Recorder r(cpus(1));
    CHECK_THROWS_WITH_AS(r.at(1, kNameless, 0, {}), "record kind test:nameless (id 950): it is not in the registry",
                         std::invalid_argument);
}

// DESIGN 6: files are written whole or not at all.
TEST_CASE("timeline: files, plain and gzipped") {
    std::string pattern = std::filesystem::temp_directory_path() / "ticklab-timeline-XXXXXX";
    const std::filesystem::path folder = ::mkdtemp(pattern.data());
    const auto write = [&](const std::string& name, bool finish) {
        TimelineWriter writer(open_timeline_file(folder / name), cpus(2), kTestKinds);
        const std::array<std::uint64_t, 1> operands{1};
        const sim::Record record{ns(5), &kStep, kNoCpu, RecordId{1}, {}, {}, operands};
        writer.consume({&record, 1});
        const sim::RecordStream names;
        if (finish)
            writer.finish(ns(10), names);
    };
    write("t.json", true);
    write("t.json.gz", true);
    write("unfinished.json", false);
    const std::string plain = read_file(folder / "t.json");
    CHECK(read_sound(plain).named("step").size() == 1);

    gzFile packed = gzopen((folder / "t.json.gz").c_str(), "rb");
    std::string unpacked(plain.size() + 1, '\0');
    const int size = gzread(packed, unpacked.data(), static_cast<unsigned>(unpacked.size()));
    gzclose(packed);
    REQUIRE(size >= 0);
    unpacked.resize(static_cast<std::size_t>(size));
    CHECK(unpacked == plain);
    CHECK(read_file(folder / "t.json.gz").substr(0, 2) == "\x1f\x8b");

    const auto files = std::distance(std::filesystem::directory_iterator(folder), {});
    CHECK(files == 2);
    std::filesystem::remove_all(folder);
}

// TE 1, for any records whatever: nesting, arrows, pairs, counters, order.
TEST_CASE("timeline: random records, well-formed or not, give a sound timeline") {
    CHECK(rc::check("sound", [] {
        TimelineOptions options = cpus(3);
        if (*rc::gen::arbitrary<bool>())
            options.from = ns(*rc::gen::inRange(0, 60));
        if (*rc::gen::arbitrary<bool>())
            options.to = ns(*rc::gen::inRange(0, 120));
        if (*rc::gen::arbitrary<bool>())
            options.max_events = *rc::gen::inRange<std::size_t>(1, 60);
        if (*rc::gen::arbitrary<bool>())
            options.categories = {"irq", "timer"};
        if (*rc::gen::arbitrary<bool>())
            options.cpus = {*rc::gen::inRange<CpuId>(0, 3)};
        Recorder r(options);
        for (const char* name : {"a", "b", "c"})
            r.name(name);
        std::int64_t ps = 0;
        const auto records = *rc::gen::inRange<std::uint64_t>(0, 150);
        // Steps of less than a nanosecond are as likely as longer ones.
        const auto step_max = *rc::gen::element(1, 700, 3'000);
        for (std::uint64_t i = 0; i < records; ++i) {
            ps += *rc::gen::inRange(0, step_max);
            const RecordKind& kind = **rc::gen::elementOf(std::vector(kTestKinds.begin(), kTestKinds.end()));
            const CpuId cpu = *rc::gen::element<CpuId>(0, 0, 1, 2, kNoCpu);
            std::vector<std::uint64_t> operands(kind.operand_count);
            for (std::uint64_t& word : operands)
                word = *rc::gen::inRange<std::uint64_t>(0, 3);
            const RecordId cause{*rc::gen::inRange<std::uint64_t>(0, i + 2)};
            r.at_ps(ps, kind, cpu, operands, cause);
        }
        const ReadTimeline t = read_timeline(r.finish(*rc::gen::inRange<std::int64_t>(0, 2) * 1000 + ps / 1000));
        if (!t.faults.empty())
            RC_FAIL(t.faults[0]);
        RC_SUCCEED();
    }));
}

// The span that each slice covers is that of its records, whatever interleaves on its CPU, give or take the widening.
TEST_CASE("timeline: pieces of a slice cover what its records say") {
    CHECK(rc::check("cover", [] {
        Recorder r(cpus(1));
        r.name("x");
        std::map<std::uint64_t, std::int64_t> begun;
        std::map<std::uint64_t, std::int64_t> spans;
        std::int64_t now = 0;
        for (int i = 0; i < 60; ++i) {
            now += *rc::gen::inRange<std::int64_t>(1, 20);
            const auto vector = *rc::gen::inRange<std::uint64_t>(1, 5);
            if (const auto open = begun.find(vector); open != begun.end()) {
                r.at(now, kIrqOut, 0, {vector});
                spans[vector] += now - open->second;
                begun.erase(open);
            } else {
                r.at(now, kIrqIn, 0, {vector});
                begun[vector] = now;
            }
        }
        for (const auto& [vector, from] : begun)
            spans[vector] += now - from + 5;
        std::map<std::uint64_t, std::int64_t> drawn;
        for (const ReadEvent& e : read_timeline(r.finish(now + 5)).events)
            drawn[std::stoull(e.fields["args"]["vector"].get<std::string>(), nullptr, 16)] += e.end_ns - e.ts_ns;
        RC_ASSERT(drawn == spans);
    }));
}

}  // namespace ticklab::lab::testing
