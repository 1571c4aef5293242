// The first record in which two runs differ is found through the digest chain, and shown with both contexts (DESIGN 6,
// lab/diff).
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "command_line.hpp"
#include "source_dir.hpp"
#include "ticklab/lab/diff/run_diff.hpp"

using namespace ticklab;
using namespace ticklab::lab;
using namespace ticklab::lab::testing;

namespace {

std::string diffed_scenario() { return source_dir() + "/scenarios/linux/fixes/TMIGR-03.json"; }

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

Said diff_program(std::vector<std::string> words) {
    words.insert(words.begin(), "diff");
    return program(words);
}

/// The reference: every record of a run.
class AllHashes final : public sim::RecordConsumer {
public:
    void consume(std::span<const sim::Record> batch) override {
        for (const sim::Record& record : batch)
            if (record.kind->digest_class == sim::DigestClass::kBase)
                hashes.push_back(record_hash(record));
    }
    std::vector<std::uint64_t> hashes;
};

std::vector<std::uint64_t> hashes_of(const std::vector<std::string>& overrides, std::uint64_t seed) {
    std::vector<InputError> errors;
    const std::optional<Scenario> scenario =
        ScenarioLoader(program_registry()).load(diffed_scenario(), overrides, errors);
    REQUIRE(scenario.has_value());
    AllHashes all;
    ExperimentOptions options;
    options.seed = seed;
    options.consumers = {&all};
    Experiment experiment(*scenario, options);
    experiment.run();
    return all.hashes;
}

void write_json(const std::string& file, const nlohmann::json& document) { std::ofstream(file) << document.dump(); }

/// A kernel that is another one from its second run on.
std::unique_ptr<sim::Kernel> unsteady_kernel(const sim::KernelDecl::Settings& settings, sim::TimerClient& client) {
    static int runs = 0;
    sim::KernelDecl::Settings changed = settings;
    if (++runs > 1)
        changed.without = {"TMIGR-03"};
    return program_registry().find_kernel("linux")->make(changed, client);
}

}  // namespace

TEST_CASE("the first record that differs is the one that two whole streams differ in") {
    struct Row {
        std::vector<std::string> set_a, set_b;
        std::uint64_t seed_a, seed_b;
    };
    const std::vector<Row> rows{{{}, {}, 1, 2},
                                {{"machine.jitter_per_1024=8"}, {"machine.jitter_per_1024=8"}, 4, 5},
                                {{}, {"duration=120ms"}, 1, 1},
                                {{}, {"machine.jitter_per_1024=1"}, 1, 1},
                                {{}, {R"(kernel.without=["TMIGR-03"])"}, 3, 3}};
    std::size_t behind_the_first_link = 0;
    for (const Row& row : rows) {
        std::vector<std::string> words{
            diffed_scenario(), diffed_scenario(),         "--json", "--seed-a", std::to_string(row.seed_a),
            "--seed-b",        std::to_string(row.seed_b)};
        for (const std::string& set : row.set_a)
            words.insert(words.end(), {"--set-a", set});
        for (const std::string& set : row.set_b)
            words.insert(words.end(), {"--set-b", set});
        const Said said = diff_program(words);
        CAPTURE(said.err);
        CAPTURE(said.out);
        const std::vector<std::uint64_t> a = hashes_of(row.set_a, row.seed_a), b = hashes_of(row.set_b, row.seed_b);
        const nlohmann::json document = nlohmann::json::parse(said.out);
        CHECK(document["equal"] == (a == b));
        if (a == b) {
            CHECK(said.code == 0);
            CHECK(document["first_record_that_differs"].is_null());
            continue;
        }
        CHECK(said.code == 1);
        const auto at = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
        const auto number = static_cast<std::uint64_t>(at.first - a.begin()) + 1;
        CHECK(document["first_record_that_differs"] == number);
        CHECK(document["first_link_that_differs"]["number"] == (number - 1) / sim::RecordStream::kChunkRecords + 1);
        behind_the_first_link += number > sim::RecordStream::kChunkRecords;
        // Up to there both have the same.
        const nlohmann::json of_a = document["a"]["context"], of_b = document["b"]["context"];
        for (std::size_t i = 0; i < std::min(of_a["records"].size(), of_b["records"].size()); ++i)
            if (of_a["records"][i]["number"] < number)
                CHECK(of_a["records"][i] == of_b["records"][i]);
        CHECK(of_a["cpus"] == of_b["cpus"]);
    }
    CHECK(behind_the_first_link > 0);
}

TEST_CASE("two runs that differ are shown side by side, and equal ones are equal") {
    const Said equal = diff_program({diffed_scenario(), diffed_scenario(), "--seed", "7"});
    CHECK(equal.code == 0);
    CHECK(equal.out.starts_with("equal: "));
    const Said said =
        diff_program({diffed_scenario(), diffed_scenario(), "--set", "machine.jitter_per_1024=8", "--seed-b", "2"});
    CHECK(said.code == 1);
    for (const char* const part : {" is the first that differs; link ", "\nA: ", "\nB: ", " --seed 2 --set ", "\n  > ",
                                   "  CPU 0   ", "records, digest "}) {
        CAPTURE(part);
        CHECK(says(said.out, part));
    }
}

TEST_CASE("a run of another build is compared by what its bundle keeps") {
    const ScratchFolder folder;
    const std::string kept = folder / "kept.json", other = folder / "other.json";
    REQUIRE(program({"run", diffed_scenario(), "--bundle", kept, "--around", "1035"}).code == 0);
    const nlohmann::json bundle = nlohmann::json::parse(contents(kept));
    CHECK(diff_program({kept, diffed_scenario()}).code == 0);
    CHECK(diff_program({kept, kept}).code == 0);

    // As another build would have written it: one record is another, and the digest with it.
    nlohmann::json changed = bundle;
    std::string mark = bundle["marks"][1];
    mark[4 * 10] = mark[4 * 10] == '0' ? '1' : '0';
    changed["marks"][1] = mark;
    changed["digest"] = "0";
    changed["version"] = "0.0-other";
    if (changed["chain"].size() > 1)
        changed["chain"][1] = "0";
    write_json(other, changed);
    const Said known = diff_program({other, kept, "--json"});
    CHECK(known.code == 1);
    const nlohmann::json document = nlohmann::json::parse(known.out);
    CHECK(document["first_record_that_differs"] == 1035);
    CHECK(document["a"]["done_here"] == false);
    CHECK(document["a"]["context"] == bundle["near"]);
    CHECK(document["b"]["done_here"] == true);
    CHECK(document["b"]["context"] == bundle["near"]);

    changed.erase("near");
    write_json(other, changed);
    const Said unknown = diff_program({other, diffed_scenario()});
    CHECK(unknown.code == 1);
    CHECK(unknown.out.starts_with("record 1035 is the first that differs; link 2 of the digest chain"));
    CHECK(says(unknown.out, "of another build (0.0-other)"));
    CHECK(says(unknown.out, "--around 1035"));

    // Marks may be alike where records are not.
    changed["marks"] = bundle["marks"];
    write_json(other, changed);
    CHECK(diff_program({other, kept}).out.starts_with("no mark of a record differs; link 2 of the digest chain"));
}

TEST_CASE("any run is kept as a bundle, whatever comes of it") {
    const ScratchFolder folder;
    const std::string kept = folder / "kept.json";
    const Said run = program(
        {"run", diffed_scenario(), "--seed", "9", "--set", "machine.jitter_per_1024=8", "--bundle", kept, "--json"});
    CHECK(run.code == 0);
    CHECK(nlohmann::json::parse(contents(kept))["digest"] == nlohmann::json::parse(run.out)["digest"]);
    const Said replayed = program({"replay", kept});
    CHECK(replayed.code == 0);
    CHECK(replayed.out.starts_with("the same: no failure"));
}

TEST_CASE("MA 7.2: a build that makes two runs of one input is found out") {
    const ScenarioLoader loader(program_registry());
    std::vector<InputError> errors;
    std::optional<Scenario> scenario = loader.load(diffed_scenario(), {}, errors);
    const std::optional<Scenario> shorter = loader.load(diffed_scenario(), {"duration=120ms"}, errors);
    REQUIRE(scenario.has_value());
    REQUIRE(shorter.has_value());
    sim::KernelDecl unsteady = *scenario->kernel;
    unsteady.make = unsteady_kernel;
    scenario->kernel = &unsteady;
    const RunDiff diff = diff_runs({&*shorter, {}}, {&*scenario, {}});
    CHECK_FALSE(diff.equal);
    CHECK(diff.a.repeats);
    CHECK_FALSE(diff.b.repeats);
}

TEST_CASE("what diff cannot compare is one message, and exit code 2") {
    const ScratchFolder folder;
    const std::string kept = folder / "kept.json";
    REQUIRE(program({"run", diffed_scenario(), "--bundle", kept}).code == 0);
    const std::vector<std::vector<std::string>> rows{
        {"diff", folder / "absent.json", diffed_scenario()},
        {"diff", kept, diffed_scenario(), "--seed-a", "3"},
        {"diff", kept, diffed_scenario(), "--set", "machine.jitter_per_1024=8"},
        {"run", diffed_scenario(), "--bundle", folder / "new.json", "--around", "100000000"},
        {"run", diffed_scenario(), "--bundle", folder / "new.json", "--until", "1ms"},
        {"validate", kept},
        {"hunt", kept},
        {"compare", kept, "--vary", "kernel.version=6.6,6.12"}};
    for (const std::vector<std::string>& row : rows) {
        CAPTURE(row[0]);
        CAPTURE(row.back());
        const Said said = program(row);
        CAPTURE(said.err);
        CHECK(said.code == 2);
        // Of a run its seed is said before.
        CHECK(std::count(said.err.begin(), said.err.end(), '\n') <= (row[0] == "run" ? 2 : 1));
        CHECK(said.err.starts_with("ticklab: "));
    }
    CHECK(says(program({"hunt", kept}).err, "found a bundle, expected a scenario"));
}
