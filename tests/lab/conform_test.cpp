// The model against recorded kernels: groups as built at boot, and every event of the hierarchy from the same inputs.
#include "ticklab/lab/conform/conform.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "command_line.hpp"
#include "source_dir.hpp"
#include "ticklab/lab/ftrace/ftrace_format.hpp"
#include "ticklab/lab/ftrace/ftrace_reader.hpp"
#include "ticklab/lab/registry.hpp"
#include "ticklab/model/linux/declarations.hpp"

using namespace ticklab;
using namespace ticklab::lab;
using namespace ticklab::lab::testing;

namespace {

std::string recorded_file(const std::string& name) {
    return source_dir() + "/tests/data/recorded-kernels/" + name + ".txt.gz";
}

Recording recorded(const std::string& name) {
    std::vector<InputError> errors;
    std::optional<Recording> recording = read_recording(recorded_file(name), errors);
    for (const InputError& e : errors)
        MESSAGE(to_text(e));
    REQUIRE(recording.has_value());
    return *std::move(recording);
}

/// A trace of one CPU, as short as can be; line 3 is the first event.
const std::string kTrace =
    "# tracer: nop\n"
    "# entries-in-buffer/entries-written: 6/6   #P:1\n"
    "            init-1       [000] .....     0.752032: tmigr_group_set: group=ffff888004504b80 lvl=0 numa=0\n"
    "            init-1       [000] .....     0.752032: tmigr_connect_cpu_parent: cpu=0 groupmask=1 "
    "parent=ffff888004504b80 lvl=0 numa=0 num_children=1\n"
    "            init-1       [000] d..1.     0.752032: tmigr_cpu_online: cpu=0 parent=ffff888004504b80 "
    "wakeup=9223372036854775807\n";

/// `ticklab conform` of a text that is kTrace with `from` replaced by `to`.
Said conform_with(const std::string& from, const std::string& to, const std::vector<std::string>& options = {}) {
    const ScratchFolder folder;
    std::string text = kTrace;
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    text.replace(at, from.size(), to);
    std::ofstream(folder / "trace.txt") << text;
    std::vector<std::string> words{"conform", folder / "trace.txt"};
    words.insert(words.end(), options.begin(), options.end());
    return program(words);
}

}  // namespace

TEST_CASE("from the inputs of recorded kernels the model makes their events, field by field (TMM 17)") {
    struct Row {
        const char* file;
        const char* version;
        sim::CpuId cpus;
        std::size_t boot, boot_matched, trace, trace_matched;
    };
    // docs/conformance.md explains what does not match.
    for (const Row& row : {Row{"linux612-icount-smp4-notests", "6.12", 4, 294, 294, 5424, 5424},
                           Row{"linux72-icount-smp4", "7.2", 4, 763, 763, 5823, 5821},
                           Row{"linux612-icount-smp16-notests", "6.12", 16, 1417, 1417, 22781, 22779},
                           Row{"linux72-icount-smp16-notests", "7.2", 16, 1910, 1910, 23324, 23323},
                           Row{"linux72-icount-numa2x12-notests", "7.2", 24, 2590, 2590, 39193, 39190},
                           Row{"linux612-mttcg-smp16", "6.12", 16, 2745, 2744, 21800, 21797}}) {
        CAPTURE(row.file);
        const Recording k = recorded(row.file);
        CHECK(k.cpu_count == row.cpus);
        CHECK(k.tick_ns == 4'000'000);
        const ConformModel model = model_of(k, {}, {}, {});
        CHECK(model.settings.version == row.version);
        const ConformReport report = conform(k, model);
        CAPTURE(text_of(report));
        CHECK(report.recorded_shape == report.modelled_shape);
        REQUIRE(report.parts.size() == 2);
        CHECK(report.parts[0].result.count() == row.boot);
        CHECK(report.parts[0].result.matched() == row.boot_matched);
        CHECK(report.parts[1].result.count() == row.trace);
        CHECK(report.parts[1].result.matched() == row.trace_matched);
    }
}

TEST_CASE("a recorded kernel without the fixes that it has does not match: the comparison sees them") {
    struct Row {
        const char *file, *change;
        std::size_t part;
        double most;  ///< share of events that match
    };
    for (const Row& row :
         {Row{"linux72-icount-smp4", "TMIGR-02", 0, 0.999}, Row{"linux72-icount-numa2x12-notests", "TMIGR-03", 1, 0.98},
          Row{"linux72-icount-numa2x12-notests", "TMIGR-04", 1, 0.995}}) {
        CAPTURE(row.change);
        const Said said = program({"conform", recorded_file(row.file), "--without", row.change, "--json"});
        CHECK(said.code == 1);
        const nlohmann::json document = nlohmann::json::parse(said.out);
        CHECK(document["matches"] == false);
        const nlohmann::json& part = document["parts"][row.part];
        CHECK(part["matched"].get<double>() < row.most * part["events"].get<double>());
        const nlohmann::json& place = part["mismatch_kinds"][0]["mismatches"][0];
        CHECK(place["line"] > 0);
        CHECK(place["recorded"] != place["modelled"]);
    }
}

TEST_CASE("every mismatch names a reason and the line of the one that it follows from, a mismatch itself (DESIGN 6)") {
    const Said said = program({"conform", recorded_file("linux72-icount-smp4"), "--without", "TMIGR-02", "--json"});
    const nlohmann::json document = nlohmann::json::parse(said.out);
    for (const auto& part : document["parts"]) {
        std::map<std::size_t, std::size_t> root_of;
        std::set<std::string> reasons;
        for (const auto& kind : part["mismatch_kinds"])
            for (const auto& m : kind["mismatches"]) {
                const auto line = m["line"].get<std::size_t>(), root = m["root"].get<std::size_t>();
                root_of[line] = root;
                CAPTURE(line);
                CHECK((root < line) == (kind["reason"] == "follows"));
                reasons.insert(kind["reason"].get<std::string>());
            }
        for (const auto& entry : root_of) {
            CAPTURE(entry.first);
            REQUIRE(root_of.contains(entry.second));
            CHECK(root_of[entry.second] == entry.second);
        }
        CHECK(reasons.contains("follows"));
    }
}

TEST_CASE("how many children a group has is read off the groups that are full (TMM 13.2)") {
    const ScratchFolder folder;
    // With four children none of its groups is full, so the kernel's eight do as well (TMM 4.1).
    for (const auto& row : std::map<std::string, std::string>{{"2", "2"}, {"4", "8"}}) {
        const std::string &children = row.first, &told = row.second;
        CAPTURE(told);
        REQUIRE(program({"run", source_dir() + "/scenarios/linux/tmigr-last-leaves.json", "--set",
                         "kernel.tmigr_children=" + children, "--ftrace", folder / "t.txt"})
                    .code == 0);
        const Said said = program({"conform", folder / "t.txt", "--kernel", "7.2", "--json"});
        CHECK_MESSAGE(said.code == 0, said.out, said.err);
        const auto shape = nlohmann::json::parse(said.out)["shape"]["modelled"].get<std::string>();
        CHECK_MESSAGE(shape.find(told + " children per group") != std::string::npos, shape);
    }
}

TEST_CASE("what ticklab writes as ftrace text of a run is what the model makes of it again (TE 3)") {
    for (const char* const scenario : {"tmigr-two-nodes", "tmigr-last-leaves", "tmigr-one-busy"}) {
        CAPTURE(scenario);
        const ScratchFolder folder;
        const std::string file = source_dir() + "/scenarios/linux/" + std::string(scenario) + ".json";
        REQUIRE(program({"run", file, "--ftrace", folder / "t.txt.gz"}).code == 0);
        const Said said = program({"conform", folder / "t.txt.gz", "--kernel", "7.2"});
        CHECK_MESSAGE(said.code == 0, said.out, said.err);
    }
}

TEST_CASE("the texts of the model's trace points are those of recorded kernels' format files (TE 3)") {
    for (const char* const file : {"linux612-icount-smp4-notests", "linux72-icount-smp4"}) {
        std::map<std::string, std::string> formats;
        std::string name;
        LineReader lines(recorded_file(file));
        for (std::string line; lines.next(line);) {
            if (line.starts_with("name: "))
                name = line.substr(6);
            if (line.starts_with("print fmt: \"")) {
                const std::size_t begin = line.find('"') + 1;
                formats[name] = line.substr(begin, line.find('"', begin) - begin);
            }
        }
        std::size_t compared = 0;
        for (const sim::RecordKind& kind : linux_::linux_kernel_decl().records) {
            const auto recorded_format = formats.find(std::string(kind.name));
            if (kind.ftrace_format.empty() || recorded_format == formats.end())
                continue;
            CAPTURE(kind.name);
            // Keys and their order; kernels before 7.1 have no capacity.
            const auto keys = [](std::string_view format) {
                std::vector<std::string> found;
                for (const FtraceField& field : FtraceFormat::of(format).fields)
                    if (field.key != "capacity")
                        found.push_back(std::string(field.key) +
                                        (field.conversion == FtraceConversion::kHex ? "x" : ""));
                return found;
            };
            CHECK(keys(kind.ftrace_format) == keys(recorded_format->second));
            ++compared;
        }
        CHECK(compared >= 24);
    }
}

TEST_CASE("bad recordings are refused with one message that has the line, and exit code 2 (DESIGN 6)") {
    struct Row {
        std::string from, to, message;
    };
    const Row rows[] = {
        {"lvl=0 numa=0\n", "numa=0\n", ":3:1: found tmigr_group_set without lvl, expected \"group=%p lvl=%d numa=%d\""},
        {"lvl=0", "lvl=x", R"(:3:1: found lvl="x", expected a number)"},
        {"group=ffff888004504b80", "group=(____ptrval____)", "no_hash_pointers"},
        {"cpu=0", "cpu=70000", ":4:1: found cpu=70000, expected the number of a CPU"},
        {"cpu=0", "cpu=3", "found CPU 3, expected CPUs below 1"},
        {"parent=ffff888004504b80", "parent=ffff888004504b81", ":4:1: found parent=ffff888004504b81 that no"},
        {"group=ffff888004504b80", "group=0000000000000000",
         ":3:1: found group=0000000000000000, expected the pointer of a group"},
        {"            init-1       [000] d..1. ",
         "            init-1       [000] d..1.     0.752032: tmigr_group_set_cpu_active: group=0000000000000000 lvl=0 "
         "numa=0 active=1 migrator=1 parent=0000000000000000 childmask=1\n"
         "            init-1       [000] d..1. ",
         ":5:1: found group=0000000000000000 that no tmigr_group_set has created"},
        {"tmigr_group_set", "tmigr_group_sat",
         "that no tmigr_group_set has created, expected a trace since early boot"},
        {"            init-1       [000] .....     0.752032: tmigr_group", "CPU:0 [LOST 7 EVENTS]\n",
         "expected a trace without lost events"},
        {"[000] .....     0.752032: tmigr_group", "[000] .....     0.75203: tmigr_group",
         "expected TASK-PID [CPU] FLAGS SECONDS: EVENT: ..."},
        {"wakeup=9223372036854775807", "wakeup=18446744073709551615", R"(:5:1: found wakeup="18446744073709551615")"},
        {"#P:1", "#P:0", ":2:1: found \"0\", expected a number of CPUs"},
        {"            init-1       [000] d..1. ",
         "            init-1       [000] .....     0.752032: tmigr_group_set: group=ffff888004504b90 lvl=0 numa=0\n"
         "            init-1       [000] .....     0.752032: tmigr_connect_cpu_parent: cpu=0 groupmask=4 "
         "parent=ffff888004504b80 lvl=0 numa=0 num_children=3\n"
         "            init-1       [000] d..1. ",
         "found groups of 3 children, expected 2, 4 or 8"},
        {kTrace, "{ \"name\": \"a scenario\" }\n", ":1:1: found"},
        {kTrace, "", "found no tmigr_group_set"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.message);
        const Said said = conform_with(row.from, row.to, {"--kernel", "6.12"});
        CHECK(said.code == 2);
        CHECK(said.out.empty());
        CHECK_MESSAGE(said.err.find(row.message) != std::string::npos, said.err);
        CHECK(std::count(said.err.begin(), said.err.end(), '\n') == 1);
    }
    CHECK(program({"conform", "/no/such/file"}).err.find("cannot be opened") != std::string::npos);
}

TEST_CASE("which kernel a recording is compared with must be known (DESIGN 6)") {
    struct Row {
        std::vector<std::string> options;
        std::string message;
    };
    const Row rows[] = {
        {{}, "expected --kernel VERSION"},
        {{"--kernel", "six"}, R"(found "six", expected a kernel version such as 6.12)"},
        {{"--kernel", "6.8"}, "6.9 or later"},
        {{"--kernel", "6.12", "--with", "TMIGR-99"}, "TMIGR-99"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.message);
        const Said said = conform_with("#P:1", "#P:1", row.options);
        CHECK(said.code == 2);
        CHECK_MESSAGE(said.err.find(row.message) != std::string::npos, said.err);
    }
    CHECK(conform_with("#P:1", "#P:1", {"--kernel", "6.12.3-foo"}).code != 2);
}
