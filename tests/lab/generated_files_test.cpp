// Generated documents are what the program generates; data files that come with ticklab are valid.
// TICKLAB_REWRITE=1 in the environment rewrites the documents.
#include <doctest/doctest.h>

#include <cstdlib>

#include "command_line.hpp"
#include "source_dir.hpp"
#include "ticklab/lab/cli/manual.hpp"
#include "ticklab/lab/data_files.hpp"
#include "ticklab/lab/loader.hpp"
#include "ticklab/lab/reference.hpp"
#include "ticklab/lab/schema.hpp"
#include "ticklab/lab/whole_file.hpp"

using namespace ticklab;

namespace {

void check_document(const std::string& name, const std::string& text) {
    const std::string file = source_dir() + "/docs/" + name;
    if (std::getenv("TICKLAB_REWRITE") != nullptr)
        lab::write_whole_file(file, text);
    // Not compared by CHECK itself, which would print both.
    const bool same = lab::testing::contents(file) == text;
    CHECK_MESSAGE(same, file, " is out of date: TICKLAB_REWRITE=1 rewrites it");
}

}  // namespace

TEST_CASE("docs/scenario.schema.json is what `ticklab schema` prints") {
    check_document("scenario.schema.json", lab::scenario_schema(lab::program_registry()).dump(2) + "\n");
}

TEST_CASE("docs/scenario-reference.md is what `ticklab schema --markdown` prints") {
    check_document("scenario-reference.md", lab::scenario_reference(lab::program_registry()));
}

TEST_CASE("docs/cli-reference.md is what `ticklab manual` prints (DESIGN 6)") {
    check_document("cli-reference.md", lab::manual_markdown(lab::CommandLine()));
}

TEST_CASE("the manual names every command and every option of it, in each of its forms (DESIGN 6)") {
    const lab::CommandLine line;
    const std::string markdown = lab::manual_markdown(line), page = lab::manual_page(line),
                      completion = lab::bash_completion(line);
    const auto dashes_escaped = [](std::string_view name) {
        std::string escaped;
        for (const char c : name)
            escaped += c == '-' ? std::string("\\-") : std::string(1, c);
        return escaped;
    };
    unsigned options = 0;
    for (const CLI::App* command : line.parsers) {
        CAPTURE(command->get_name());
        CHECK(markdown.find("\n## " + command->get_name() + "\n") != std::string::npos);
        CHECK(page.find(".SS \"ticklab " + command->get_name()) != std::string::npos);
        const std::size_t from = completion.find(" " + command->get_name() + ")\n");
        REQUIRE(from != std::string::npos);
        const std::string part = completion.substr(from, completion.find("esac ;;", from) - from);
        for (const CLI::Option* option : command->get_options())
            for (const std::string& name : option->get_lnames()) {
                CAPTURE(name);
                CHECK(markdown.find("--" + name) != std::string::npos);
                CHECK(page.find(dashes_escaped("--" + name)) != std::string::npos);
                CHECK(part.find(" --" + name) != std::string::npos);
                ++options;
            }
    }
    CHECK(options > 20);
}

TEST_CASE("machine profiles and cost tables that come with ticklab are valid and say where figures are from") {
    const lab::MachineSetup setup(lab::program_registry());
    const std::vector<lab::DataFile> machines = lab::list_data_files(lab::DataKind::kMachine);
    const std::vector<lab::DataFile> costs = lab::list_data_files(lab::DataKind::kCostTable);
    CHECK(machines.size() >= 2);
    CHECK(costs.size() >= 2);
    std::vector<lab::InputError> errors;
    for (const lab::DataFile& data : machines) {
        const auto source = lab::JsonSource::read(data.file, errors);
        REQUIRE(source.has_value());
        CHECK(setup.check_profile(*source, errors));
        CHECK(source->root()["name"] == data.name);
    }
    for (const lab::DataFile& data : costs) {
        const auto source = lab::JsonSource::read(data.file, errors);
        REQUIRE(source.has_value());
        CHECK(setup.check_cost_table(*source, errors));
        CHECK(source->root()["name"] == data.name);
    }
    CHECK(errors.empty());
}

TEST_CASE("scenarios that come with ticklab load") {
    const lab::ScenarioLoader loader(lab::program_registry());
    for (const lab::DataFile& data : lab::list_data_files(lab::DataKind::kScenario)) {
        CAPTURE(data.file);
        std::vector<lab::InputError> errors;
        CHECK(loader.load(data.file, {}, errors).has_value());
        for (const lab::InputError& error : errors)
            MESSAGE(lab::to_text(error));
    }
}
