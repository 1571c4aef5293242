// Bad input (DESIGN 4): one clear message with its place, what was found, what was expected, the nearest valid word.
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "lab/fake_kernel.hpp"
#include "ticklab/lab/loader.hpp"

using namespace ticklab;
using nlohmann::json;

namespace {

/// The messages of loading `text` as "s.json", a line each; "fine" if there are none.
std::string load(const std::string& text, const std::vector<std::string>& overrides = {}) {
    std::vector<lab::InputError> errors;
    const std::optional<lab::Scenario> scenario = test::fake_loader().load_text("s.json", text, overrides, errors);
    CHECK(scenario.has_value() == errors.empty());
    std::string lines;
    for (const lab::InputError& error : errors)
        lines += (lines.empty() ? "" : "\n") + lab::to_text(error);
    return lines.empty() ? "fine" : lines;
}

/// A small valid scenario of one line with one more member.
std::string with(const std::string& member, const std::string& kernel = R"({"type": "fake"})") {
    return R"({"name": "n", "duration": "9ms", "kernel": )" + kernel + (member.empty() ? "" : ", " + member) + "}";
}

std::string script(const std::string& step) { return with(R"("script": [)" + step + "]"); }

}  // namespace

TEST_CASE("a scenario that uses everything loads") {
    CHECK(load(test::kFullScenario) == "fine");
    CHECK(load(with("")) == "fine");
}

TEST_CASE("text that is no JSON is refused where it goes wrong") {
    const struct {
        const char* text;
        const char* message;
    } table[] = {
        {"", "s.json: found an empty file, expected a JSON object"},
        {" \n\t", "s.json: found an empty file, expected a JSON object"},
        {"{", "s.json:1:2: found end of input, expected string literal"},
        {"{\"name\": \"x\",\n  \"duration\"", "s.json:2:13: found end of input, expected ':'"},
        {"{\"a\": tru}", "s.json:1:7: not JSON: invalid literal"},
        {"[1,,2]", "s.json:1:4: found ',', expected '[', '{', or a literal"},
        {"{} {}", "s.json:1:4: found '{', expected end of input"},
        {"{\"a\": 1, \"a\": 2}", "s.json:1:10: duplicate key \"a\""},
        {"{\"a\": 9223372036854775808}",
         "s.json:1:7: found 9223372036854775808, expected an integer of at most 9223372036854775807"},
        {"{\"a\": 99999999999999999999999}",
         "s.json:1:7: found 99999999999999999999999, expected an integer that fits in 64 bits"},
        {"[]", "s.json:1:1: found an empty array, expected a scenario of ticklab (a JSON object)"},
        {"5", "s.json:1:1: found 5, expected a scenario of ticklab (a JSON object)"},
        {"/* only */", "s.json:1:11: found end of input, expected '[', '{', or a literal"},
    };
    for (const auto& row : table) {
        CAPTURE(row.text);
        CHECK(load(row.text) == row.message);
    }
}

TEST_CASE("places count lines and characters, past comments and text of several bytes") {
    CHECK(load("// one\n/* two\n three */ { \"name\": \"äöü\", \"x\": 1 }").find("s.json:3:28: /x: found key \"x\"") !=
          std::string::npos);
}

TEST_CASE("nesting is bounded, and brackets without end are refused at once") {
    CHECK(load(std::string(10'000'000, '[')) ==  // NOLINT(bugprone-string-constructor): long on purpose
          "s.json:1:65: found one level more, expected at most 64 levels of nesting");
    CHECK(load(std::string(lab::JsonSource::kMaxBytes + 1, '[')) ==
          "s.json: found more, expected at most 16777216 bytes");
    std::string many = "[0";
    for (std::size_t i = 0; i < lab::JsonSource::kMaxValues; ++i)
        many += ",0";
    CHECK(load(many + "]").find("found more, expected at most 500000 values") != std::string::npos);
    CHECK(load("\"" + std::string(lab::JsonSource::kMaxStringBytes + 1, 'x') + "\"") ==
          "s.json:1:1: found a longer one, expected a string of at most 65536 bytes");
}

TEST_CASE("what the schema refuses is explained") {
    const struct {
        std::string text;
        const char* message;
    } table[] = {
        {R"({"name": "n", "kernel": {"type": "fake"}})",
         R"(s.json:1:1: found no "duration", expected a duration such as "250us")"},
        {R"({"name": 5, "duration": "1ms", "kernel": {"type": "fake"}})",
         "s.json:1:10: /name: found 5, expected a string"},
        {with(R"("lod": [])"),
         R"(s.json:1:62: /lod: found key "lod", expected one of "about", "duration", "expect", "faults", "kernel", "load", )"
         R"("locks", "machine", "max_steps", "museum", "name", "script" and 3 more; did you mean "load"?)"},
        {with("", R"({"type": "fakee"})"),
         R"(s.json:1:53: /kernel/type: found "fakee", expected a kernel: "fake"; did you mean "fake"?)"},
        {with("", R"({})"), R"(s.json:1:44: /kernel: found no "type", expected a kernel)"},
        {with("", R"({"type": "fake", "version": "1.2"})"),
         R"(s.json:1:72: /kernel/version: found "1.2", expected a version of this kernel: one of "1.0", "1.1", "2.0"; )"
         R"(did you mean "1.0"?)"},
        {with("", R"({"type": "fake", "children": 9})"),
         "s.json:1:73: /kernel/children: found 9, expected an integer from 2 to 8"},
        {with("", R"({"type": "fake", "placement": "pull"})"),
         R"(s.json:1:74: /kernel/placement: found "pull", expected one of "local", "push")"},
        {with("", R"({"type": "fake", "tickless": "yes"})"),
         R"(s.json:1:73: /kernel/tickless: found "yes", expected true or false)"},
        {with("", R"({"type": "fake", "without": ["FAKE-9"]})"),
         R"(s.json:1:73: /kernel/without/0: found "FAKE-9", expected the id of a change: one of "FAKE-1", "FAKE-2", "FAKE-3"; )"
         R"(did you mean "FAKE-1"?)"},
        {script(R"({"at": "1ms", "do": "cpu.offlin", "cpu": 1})"),
         R"(s.json:1:93: /script/0/do: found "cpu.offlin", expected a verb: one of "cpu.busy", "cpu.idle", "cpu.offline", )"
         R"("cpu.online", "cpu.stall", "cpu.hold", "cpu.release", "irq.lose", "irq.late", "memory.fail", )"
         R"("apic.mode_change_keeps_timer", "apic.deadline_overtakes_lvt" and 26 more; did you mean "cpu.offline"?)"},
        {script(R"({"do": "cpu.offline", "cpu": 1})"),
         R"(s.json:1:73: /script/0: found none of them, expected exactly one of "at" and "when")"},
        {script(R"({"at": "1ms", "when": {"site": "sim.tie"}, "do": "cpu.offline", "cpu": 1})"),
         R"(s.json:1:73: /script/0: found "at" and "when", expected exactly one of "at" and "when")"},
        {script(R"({"at": "1ms", "do": "cpu.offline"})"),
         R"(s.json:1:73: /script/0: found no "cpu", expected the number of a CPU)"},
        {script(R"({"at": "1ms", "do": "cpu.offline", "cpu": "1"})"),
         R"(s.json:1:115: /script/0/cpu: found "1", expected the number of a CPU)"},
        {script(R"({"at": "1ms", "do": "cpu.offline", "cpu": -1})"),
         "s.json:1:115: /script/0/cpu: found -1, expected the number of a CPU"},
        {script(R"({"at": "1ms", "do": "cpu.stall", "cpu": 0, "fro": "1us", "for": "1us"})"),
         R"(s.json:1:116: /script/0/fro: found key "fro", expected one of "at", "cpu", "do", "for", "when"; did you mean "for"?)"},
        {script(R"({"when": {"cpu": 0}, "do": "cpu.hold"})"),
         R"(s.json:1:82: /script/0/when: found no "site", expected a site)"},
        {script(R"({"when": {"site": "fake.set.before_lok"}, "do": "cpu.hold"})"),
         R"(did you mean "fake.set.before_lock"?)"},
        {with(R"("load": [{"do": "timer.chrun"}])"),
         R"(s.json:1:78: /load/0/do: found "timer.chrun", expected a load generator: one of "timer.churn", "timer.periodic", )"
         R"("cpu.duty", "cpu.cycle", "irq.noise"; did you mean "timer.churn"?)"},
        {with(R"("expect": [{"fires": 1}])"),
         R"(s.json:1:73: /expect/0: found none of them, expected exactly one of "timer", "state" and "verdict")"},
        {with(R"("expect": [{"state": "machine.timers", "is": 1, "late": {"max": "1us"}}])"),
         R"(s.json:1:110: /expect/0/late: found "late" without "timer", expected both)"},
        {with(R"("museum": {"change": "FAKE-9", "expect": "timer.late"})"),
         R"(/museum/change: found "FAKE-9", expected the id of a change)"},
        {with(R"("museum": {"change": "FAKE-1", "expect": "timer.lat"})"), R"(did you mean "timer.late"?)"},
        {with(R"("museum": {"change": "FAKE-1"})"), R"("expect")"},
        {with(R"("machine": {"memory": "weakly"})"),
         R"(s.json:1:84: /machine/memory: found "weakly", expected one of "sc", "tso", "weak"; did you mean "weak"?)"},
        {with(R"("machine": {"prices": {"irq_entri": 9}})"), R"(did you mean "irq_entry"?)"},
    };
    for (const auto& row : table) {
        CAPTURE(row.text);
        const std::string message = load(row.text);
        if (std::string_view(row.message).starts_with("s.json"))
            CHECK(message == row.message);
        else
            CHECK(message.find(row.message) != std::string::npos);
    }
}

TEST_CASE("what a schema cannot say is checked after it") {
    const struct {
        std::string text;
        const char* message;
    } table[] = {
        {R"({"name": "n", "kernel": {"type": "fake"}, "duration": "5xs"})",
         R"(s.json:1:55: /duration: found "5xs", expected a duration such as "250us" (units ps, ns, us, ms, s))"},
        {R"({"name": "n", "kernel": {"type": "fake"}, "duration": "0s"})",
         R"(s.json:1:55: /duration: found "0s", expected a duration above 0s)"},
        {R"({"name": "n", "kernel": {"type": "fake"}, "duration": "99999999999s"})",
         R"(s.json:1:55: /duration: found "99999999999s", expected a duration of at most 9223372s (64 bits of picoseconds))"},
        {script(R"({"at": "1ms", "do": "cpu.offline", "cpu": 4})"),
         "s.json:1:115: /script/0/cpu: found CPU 4, expected a CPU below 4 (machine.cpus)"},
        {script(R"({"at": "1ms", "on": 7, "do": "timer.stop", "timer": "t"})"),
         "s.json:1:93: /script/0/on: found CPU 7, expected a CPU below 4 (machine.cpus)"},
        {script(R"({"at": "-1ms", "do": "cpu.idle", "cpu": 1})"),
         R"(s.json:1:80: /script/0/at: found "-1ms", expected a time that is not negative)"},
        {script(R"({"at": "10ms", "do": "cpu.idle", "cpu": 1})"),
         R"(s.json:1:80: /script/0/at: found "10ms", expected a time within the duration of 9ms)"},
        {script(R"({"at": "+1ms", "do": "cpu.idle", "cpu": 1})"),
         R"(s.json:1:80: /script/0/at: found "+1ms", expected a time since boot such as "5ms")"},
        {script(R"({"at": "1ms", "do": "timer.set", "timer": "t", "expires": "+9223372s"})"), "fine"},
        {R"({"name": "n", "kernel": {"type": "fake"}, "duration": "9223372s", "script": [)"
         R"({"at": "9223372s", "do": "timer.set", "timer": "t", "expires": "+9223372s"}]})",
         R"(s.json:1:141: /script/0/expires: found "+9223372s", expected a time of at most 9223372s since boot (64 bits of picoseconds))"},
        {script(R"({"at": "1ms", "on": 1, "do": "cpu.offline", "cpu": 1})"),
         "s.json:1:93: /script/0/on: found CPU 1, expected a CPU other than the one that cpu.offline is about"},
        {script(R"({"at": "1ms", "do": "cpu.hold", "cpu": 1, "for": "1us"})"),
         R"(s.json:1:80: /script/0/at: found "at", expected "when": a CPU is held at a site)"},
        {script(R"({"when": {"site": "sim.tie", "cpu": 2}, "do": "cpu.hold", "cpu": 1})"),
         "s.json:1:138: /script/0/cpu: found CPU 1, expected CPU 2, the one that reaches the site"},
        {with(
             R"("faults": [{"at": "1ms", "do": "stall", "cpu": 1, "for": "2ms"}, {"at": "2ms", "do": "stall", "cpu": 1, "for": "1us"}])"),
         "s.json:1:134: /faults/1/at: found a stall of CPU 1 at 2ms, expected none before 3ms, when the one of "
         "/faults/0 ends"},
        {with(
             R"("faults": [{"at": "1ms", "do": "stall", "cpu": 1, "for": "1ms"}, {"at": "2ms", "do": "stall", "cpu": 1, "for": "1us"}])"),
         "fine"},
        {with(
             R"("expect": [{"timer": "tik", "fires": 1}], "script": [{"at": "1ms", "do": "timer.stop", "timer": "tick"}])"),
         R"(s.json:1:83: /expect/0/timer: found "tik", expected a timer that the scenario mentions; did you mean "tick"?)"},
        {with(R"("expect": [{"timer": "tick"}], "timers": [{"name": "tick"}])"),
         R"(s.json:1:73: /expect/0: found an expectation of nothing, expected one of "fires_on", "fires", "late", "fires_at")"},
        {with(R"("expect": [{"state": "cpu4.timers.inactive", "is": 1}])"),
         R"(s.json:1:83: /expect/0/state: found "cpu4.timers.inactive", expected a CPU below 4 (machine.cpus))"},
        {with(R"("expect": [{"state": "cpu1.timer.inactive", "is": 1}])"),
         R"(s.json:1:83: /expect/0/state: found "cpu1.timer.inactive", expected a declared state (* is a number): one of )"
         R"("cpu*.timers.inactive", "machine.timers"; did you mean "cpu*.timers.inactive"?)"},
        {with(R"("expect": [{"state": "machine.timers"}])"),
         R"(s.json:1:73: /expect/0: found an expectation of nothing, expected one of "is", "min", "max")"},
        {with(R"("machine": {"cpus": 6, "nodes": 4})"),
         "s.json:1:94: /machine/nodes: found 4 nodes, expected a divisor of 6 (machine.cpus)"},
        {with(R"("machine": {"cpus": 2, "online": 3})"),
         "s.json:1:95: /machine/online: found 3 CPUs online at boot, expected at most 2 (machine.cpus)"},
        {with(R"("machine": {"profile": "clinet"})"),
         R"(s.json:1:85: /machine/profile: found "clinet", expected a machine profile: one of "client", "server-2s"; did you mean "client"?)"},
        {with(R"("machine": {"costs": "./nowhere.json"})"),
         R"(s.json:1:83: /machine/costs: found "./nowhere.json", expected a cost table: one of "client", "server-2s")"},
        {with(R"("machine": {"memory": "tso", "cpus": 65})"),
         R"(s.json:1:84: /machine/memory: found a memory model other than "sc", expected "sc", or check_races and at most 64 CPUs)"},
        {with(R"("load": [{"do": "timer.churn", "rate": "20k", "timeout": "1ms"}])"),
         R"(s.json:1:101: /load/0/rate: found "20k", expected a rate such as "20k/s" (k, M, G; per s, ms, us))"},
        {with(R"("load": [{"do": "timer.churn", "rate": "1/s", "timeout": {"exp": "1m"}}])"),
         R"(s.json:1:119: /load/0/timeout: found an object, expected a duration such as "250us" (units ps, ns, us, ms, s))"},
        {with(R"("load": [{"do": "timer.periodic", "period": "0s"}])"),
         R"(s.json:1:106: /load/0/period: found "0s", expected a duration above 0s)"},
        {with(R"("load": [{"do": "timer.periodic", "period": "1ms", "cpus": "0-9"}])"),
         R"(s.json:1:121: /load/0/cpus: found "0-9", expected CPUs below 4 (machine.cpus))"},
        {with(R"("load": [{"do": "timer.periodic", "period": "1ms", "from": "2ms", "until": "1ms"}])"),
         R"(s.json:1:137: /load/0/until: found "1ms", expected a time after 2ms ("from"))"},
        {with(R"("timers": [{"name": "t"}, {"name": "t"}])"),
         R"(s.json:1:97: /timers/1/name: found "t", expected each timer once)"},
        {with(R"("locks": ["big"], "timers": [{"name": "t", "callback": {"lock": "bog"}}])"),
         R"(s.json:1:126: /timers/0/callback/lock: found "bog", expected a name of "locks"; did you mean "big"?)"},
        {with("", R"({"type": "fake", "with": ["FAKE-2"], "without": ["FAKE-1"]})"),
         R"(s.json:1:70: /kernel/with/0: found "FAKE-2", expected "FAKE-1", which it requires, in force too)"},
        {with("", R"({"type": "fake", "with": ["FAKE-3", "FAKE-2"]})"),
         R"(s.json:1:70: /kernel/with/0: found "FAKE-3", expected it without "FAKE-2", with which it conflicts)"},
        {with("", R"({"type": "fake", "with": ["FAKE-1"], "without": ["FAKE-1"]})"),
         R"(s.json:1:70: /kernel/with/0: found "FAKE-1", expected each change in one of "with" and "without")"},
    };
    for (const auto& row : table) {
        CAPTURE(row.text);
        CHECK(load(row.text) == row.message);
    }
}

TEST_CASE("several errors are listed in the order of the file, ten at most") {
    const std::string two = load(with(R"("seed": "x", "machine": {"cpus": 0})"));
    CHECK(two ==
          "s.json:1:70: /seed: found \"x\", expected an integer of at least 0\n"
          "s.json:1:95: /machine/cpus: found 0, expected an integer from 1 to 65534");
    std::string many = R"("script": [)";
    for (int i = 0; i < 50; ++i)
        many += std::string(i == 0 ? "" : ", ") + R"({"do": "x"})";
    const std::string text = load(with(many + "]"));
    CHECK(std::count(text.begin(), text.end(), '\n') == 9);
}

TEST_CASE("--set puts values in place and errors name it") {
    const std::string text = with(R"("script": [{"at": "1ms", "do": "cpu.idle", "cpu": 1}])");
    CHECK(load(text, {"machine.cpus=2", "/script/0/at=2ms", "kernel.version=1.0", "script.0.cpu=0"}) == "fine");
    const struct {
        const char* argument;
        const char* message;
    } table[] = {
        {"machine.cpus", R"(--set machine.cpus: found "machine.cpus", expected /pointer=value or dotted.path=value)"},
        {"machine.cpus=x", R"(--set machine.cpus=x: /machine/cpus: found "x", expected an integer from 1 to 65534)"},
        {"machine.cpus=1", "s.json:1:112: /script/0/cpu: found CPU 1, expected a CPU below 1 (machine.cpus)"},
        {"script.0.cpu=9", "--set script.0.cpu=9: /script/0/cpu: found CPU 9, expected a CPU below 4 (machine.cpus)"},
        {"script.3.cpu=9", R"(--set script.3.cpu=9: /script: found "3", expected an index of at most 1, or -)"},
        {"name.x=9", R"(--set name.x=9: /name: found "n", expected an object or array)"},
        {"duration=1h",
         R"(--set duration=1h: /duration: found "1h", expected a duration such as "250us" (units ps, ns, us, ms, s))"},
        {"machine=[", "--set machine=[:1:2: found end of input, expected '[', '{', or a literal"},
        {"kernel.versio=1.0", R"(did you mean "version"?)"},
    };
    for (const auto& row : table) {
        CAPTURE(row.argument);
        const std::string message = load(text, {row.argument});
        if (std::string_view(row.message).starts_with("did"))
            CHECK(message.ends_with(row.message));
        else
            CHECK(message == row.message);
    }
}

TEST_CASE("files that are none are refused") {
    namespace fs = std::filesystem;
    const fs::path folder = fs::temp_directory_path() / ("ticklab_bad_scenario_" + std::to_string(::getpid()));
    fs::create_directory(folder);
    const auto message = [&](const std::string& file) {
        std::vector<lab::InputError> errors;
        CHECK_FALSE(test::fake_loader().load(file, {}, errors).has_value());
        REQUIRE(errors.size() == 1);
        return lab::to_text(errors[0]);
    };
    const std::string folder_name = folder.string();
    CHECK(message(folder_name) == folder_name + ": found a directory, expected a file");
    CHECK(message(folder_name + "/none") == folder_name + "/none: cannot be opened: No such file or directory");
    const std::ofstream empty_file(folder / "empty");
    CHECK(message(folder_name + "/empty") == folder_name + "/empty: found an empty file, expected a JSON object");
    {
        std::ofstream brackets(folder / "brackets");
        const std::string chunk(1'000'000, '[');
        for (int i = 0; i < 100; ++i)
            brackets << chunk;
    }
    CHECK(message(folder_name + "/brackets") ==
          folder_name + "/brackets: found 100000000 bytes, expected at most 16777216 bytes");
    CHECK(message("/dev/zero") == "/dev/zero: found more, expected at most 16777216 bytes");
    fs::remove_all(folder);
}
