// `ticklab run --ftrace FILE` (TE 2, TE 3).
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <regex>
#include <set>

#include "command_line.hpp"
#include "source_dir.hpp"
#include "ticklab/lab/data_files.hpp"
#include "ticklab/lab/experiment.hpp"
#include "ticklab/lab/ftrace/ftrace_reader.hpp"
#include "ticklab/lab/ftrace/irq_vectors.hpp"
#include "ticklab/lab/loader.hpp"
#include "ticklab/lab/registry.hpp"
#include "ticklab/lab/whole_file.hpp"
#include "ticklab/model/linux/declarations.hpp"
#include "ticklab/sim/machine_records.hpp"

using namespace ticklab;
using namespace ticklab::lab;
using namespace ticklab::lab::testing;

namespace {

const std::string kFtraceScenario = source_dir() + "/scenarios/linux/tmigr-last-leaves.json";

std::string ftrace_of(const std::string& scenario, std::vector<std::string> options = {}) {
    const ScratchFolder folder;
    std::vector<std::string> words{"run", scenario, "--ftrace", folder / "t.txt"};
    words.insert(words.end(), options.begin(), options.end());
    const Said said = program(words);
    CHECK_MESSAGE(said.code == 0, said.err);
    return contents(folder / "t.txt");
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);)
        lines.push_back(line);
    return lines;
}

}  // namespace

TEST_CASE("ftrace text is written as the kernel writes it, header and lines (TE 2)") {
    const std::string text = ftrace_of(kFtraceScenario);
    const std::vector<std::string> lines = lines_of(text);
    CHECK(text.starts_with("# tracer: nop\n#\n# entries-in-buffer/entries-written: "));
    const std::regex shape(R"(^.{16}-[0-9]{1,7} *\[[0-9]{3}\] [dX]\.[.hsHzZ]\.\. +[0-9]+\.[0-9]{6}: [a-z_]+: .*$)");
    std::size_t events = 0;
    std::int64_t last = 0;
    for (const std::string& line : lines) {
        if (line.starts_with("#"))
            continue;
        ++events;
        CHECK_MESSAGE(std::regex_match(line, shape), line);
        std::string_view rest;
        const auto event = read_ftrace_event(line, rest);
        REQUIRE(event.has_value());
        CHECK(event->at_ns >= last);
        last = event->at_ns;
    }
    CHECK(events > 200);
    CHECK(text.find("entries-written: " + std::to_string(events) + "/" + std::to_string(events) + "   #P:4\n") !=
          std::string::npos);
}

TEST_CASE("golden ftrace text of a small run (TE 4)") {
    const std::string text = ftrace_of(kFtraceScenario, {"--from", "99ms", "--to", "112ms"});
    // The replay line says where the scenario is, the version changes.
    std::string shown;
    for (const std::string& line : lines_of(text))
        if (!line.starts_with("# replay: ") && !line.starts_with("# version: "))
            shown += line + "\n";
    const std::string file = source_dir() + "/tests/golden/ftrace.txt";
    if (std::getenv("TICKLAB_REWRITE") != nullptr)
        write_whole_file(file, shown);
    const bool same = contents(file) == shown;
    CHECK_MESSAGE(same, file, " is out of date: TICKLAB_REWRITE=1 rewrites it");
}

TEST_CASE("an interrupt shows as hard irq, the softirq behind it as softirq, and code before it as itself (TE 2)") {
    bool hard = false, soft = false, plain = false;
    for (const std::string& line : lines_of(ftrace_of(kFtraceScenario))) {
        const auto flags_of = [&](std::string_view event, std::string_view flags) {
            const std::size_t at = line.find(": " + std::string(event) + ": ");
            if (at == std::string::npos)
                return false;
            CHECK_MESSAGE(line.find("] " + std::string(flags) + " ") != std::string::npos, line);
            return true;
        };
        hard |= flags_of("local_timer_entry", "d.h..");
        soft |= flags_of("softirq_entry", "X.s..");
        plain |= flags_of("tick_stop", "X....");
    }
    CHECK(hard);
    CHECK(soft);
    CHECK(plain);
}

TEST_CASE("every trace event of the vocabulary appears in a scenario that comes with ticklab (TE 3)") {
    struct Seen final : sim::RecordConsumer {
        void consume(std::span<const sim::Record> batch) override {
            for (const sim::Record& r : batch) {
                kinds.insert(r.kind->id);
                if (r.kind->id == sim::kIrqEntry.id)
                    vectors.insert(r.unsigned_at(0));
            }
        }
        std::set<std::uint16_t> kinds;
        std::set<std::uint64_t> vectors;
    } seen;
    const ScenarioLoader loader(program_registry());
    const auto run = [&](const std::string& file, const std::vector<std::string>& overrides) {
        std::vector<InputError> errors;
        const std::optional<Scenario> scenario = loader.load(file, overrides, errors);
        REQUIRE(scenario.has_value());
        if (scenario->kernel->name != "linux")
            return;
        ExperimentOptions options;
        options.consumers.push_back(&seen);
        options.checks = options.metrics = false;
        Experiment experiment(*scenario, options);
        experiment.run();
    };
    const std::string folder = source_dir() + "/scenarios/linux/";
    for (const char* const name :
         {"nohz-idle", "periodic-tick", "churn", "tmigr-all-idle", "tmigr-two-nodes", "tmigr-last-leaves",
          "tmigr-level-appears", "tmigr-duty-stolen", "tmigr-deep", "spurious-interrupt", "nohz-full"})
        run(folder + name + ".json", {});
    // Events that have other names in newer kernels.
    for (const char* const name : {"nohz-idle", "tmigr-last-leaves"})
        run(folder + name + ".json", {"kernel.version=6.12"});
    for (const sim::RecordKind& kind : linux_::linux_kernel_decl().records)
        if (!kind.ftrace_format.empty())
            CHECK_MESSAGE(seen.kinds.contains(kind.id), kind.name);
    for (const IrqVector& v : kIrqVectors)
        CHECK_MESSAGE(seen.vectors.contains(v.vector), v.entry);
}

TEST_CASE("ftrace text is cut by --from and --to, and gzipped by its name (TE 1, Limits)") {
    const std::string text = ftrace_of(kFtraceScenario, {"--from", "100ms", "--to", "101ms"});
    std::size_t events = 0;
    for (const std::string& line : lines_of(text)) {
        std::string_view rest;
        if (const auto event = line.starts_with("#") ? std::nullopt : read_ftrace_event(line, rest)) {
            CHECK(event->at_ns >= 100'000'000);
            CHECK(event->at_ns <= 101'000'000);
            ++events;
        }
    }
    CHECK(events > 0);

    const ScratchFolder folder;
    REQUIRE(
        program({"run", kFtraceScenario, "--from", "100ms", "--to", "101ms", "--ftrace", folder / "t.txt.gz"}).code ==
        0);
    CHECK(contents(folder / "t.txt.gz").starts_with("\x1f\x8b"));
    std::size_t unzipped = 0;
    LineReader lines(folder / "t.txt.gz");
    for (std::string line; lines.next(line);)
        unzipped += line.starts_with("#") ? 0 : 1;
    CHECK(unzipped == events);
}

TEST_CASE("a kernel without trace points has no ftrace text: exit code 2, and no file comes to be (DESIGN 6)") {
    const ScratchFolder folder;
    const Said said = program({"run", source_dir() + "/scenarios/xen/range-2008.json", "--ftrace", folder / "t.txt"});
    CHECK(said.code == 2);
    CHECK(said.err.find("--ftrace: found kernel \"xen\", expected one with trace points") != std::string::npos);
    CHECK(contents(folder / "t.txt").empty());
}
