// --set: what is put into a document, what is left out of it, and where what is left stands (lab/json_source.hpp).
#include "ticklab/lab/json_source.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <nlohmann/json.hpp>

using namespace ticklab::lab;

namespace {

JsonSource source_of(const std::string& text) {
    std::vector<InputError> errors;
    std::optional<JsonSource> source = JsonSource::parse("s.json", text, errors);
    REQUIRE(source.has_value());
    return *std::move(source);
}

/// The document with these --set arguments, or the first error.
std::string overridden(const std::string& text, const std::vector<std::string>& arguments) {
    JsonSource source = source_of(text);
    std::vector<InputError> errors;
    const bool fine = source.override_values(arguments, errors);
    CHECK(fine == errors.empty());
    return fine ? source.root().dump() : to_text(errors.front());
}

/// An array of one number a line.
std::string numbered_lines(std::size_t count) {
    std::string text = "{\"list\": [\n";
    for (std::size_t i = 0; i < count; ++i)
        text += std::to_string(i) + (i + 1 == count ? "\n" : ",\n");
    return text + "]}";
}

}  // namespace

TEST_CASE("RFC 7386: null leaves a member or an element out, when all else is set, from the back") {
    const std::string text = R"({"a": [1, 2, {"b": 3, "c": 4}], "d": {"e": 5}})";
    const struct {
        std::vector<std::string> arguments;
        const char* document;
    } table[] = {
        {{"/a/0=null"}, R"({"a":[2,{"b":3,"c":4}],"d":{"e":5}})"},
        {{"/a/0=null", "/a/1=null"}, R"({"a":[{"b":3,"c":4}],"d":{"e":5}})"},
        {{"/a/1=null", "/a/0=null"}, R"({"a":[{"b":3,"c":4}],"d":{"e":5}})"},
        {{"/a/0=null", "/a/2/b=7"}, R"({"a":[2,{"b":7,"c":4}],"d":{"e":5}})"},
        {{"a.0=null", "a.1=9"}, R"({"a":[9,{"b":3,"c":4}],"d":{"e":5}})"},
        {{"/a/2=null", "/a/2/b=7"}, R"({"a":[1,2],"d":{"e":5}})"},
        {{"/a/2/b=null", "/a/2=null"}, R"({"a":[1,2],"d":{"e":5}})"},
        {{"/a/0=null", "/a/0=8"}, R"({"a":[8,2,{"b":3,"c":4}],"d":{"e":5}})"},
        {{"/a/0=8", "/a/0=null"}, R"({"a":[2,{"b":3,"c":4}],"d":{"e":5}})"},
        {{"/a/0=null", "/a/0=null"}, R"({"a":[2,{"b":3,"c":4}],"d":{"e":5}})"},
        {{"/a/-=6", "/a/0=null"}, R"({"a":[2,{"b":3,"c":4},6],"d":{"e":5}})"},
        {{"d.e=null"}, R"({"a":[1,2,{"b":3,"c":4}],"d":{}})"},
        {{"d=null"}, R"({"a":[1,2,{"b":3,"c":4}]})"},
        {{"d=[1,2]", "/d/0=null"}, R"({"a":[1,2,{"b":3,"c":4}],"d":[2]})"},
        {{"/a/3=null"}, R"(--set /a/3=null: found no "/a/3", expected a place to leave out)"},
        {{"/a/-=null"}, R"(--set /a/-=null: found no "/a/-", expected a place to leave out)"},
        {{"x.y=null"}, R"(--set x.y=null: found no "/x/y", expected a place to leave out)"},
        {{"/a/0/b=null"}, R"(--set /a/0/b=null: found no "/a/0/b", expected a place to leave out)"},
    };
    for (const auto& row : table) {
        CAPTURE(row.arguments.front());
        CHECK(overridden(text, row.arguments) == row.document);
    }
}

TEST_CASE("what is left of an array keeps its values and its lines, whatever else is left out and set") {
    const bool holds = rc::check([] {
        const auto count = *rc::gen::inRange<std::size_t>(1, 15);
        // Of each element: 0 stays, 1 is left out, 2 is set.
        const auto what = *rc::gen::container<std::vector<int>>(count, rc::gen::inRange(0, 3));
        std::vector<std::size_t> order(count);
        for (std::size_t i = 0; i < count; ++i)
            order[i] = i;
        const auto swaps =
            *rc::gen::container<std::vector<std::size_t>>(count, rc::gen::inRange<std::size_t>(0, count));
        for (std::size_t i = 0; i < count; ++i)
            std::swap(order[i], order[swaps[i]]);
        std::vector<std::string> arguments;
        for (const std::size_t i : order)
            if (what[i] != 0)
                arguments.push_back("/list/" + std::to_string(i) + (what[i] == 1 ? "=null" : "=-1"));

        nlohmann::json expected = nlohmann::json::array();
        std::vector<int> lines;
        for (std::size_t i = 0; i < count; ++i)
            if (what[i] != 1) {
                expected.push_back(what[i] == 2 ? -1 : static_cast<int>(i));
                lines.push_back(what[i] == 2 ? 0 : static_cast<int>(i) + 2);
            }
        std::vector<InputError> errors;
        JsonSource source = source_of(numbered_lines(count));
        RC_ASSERT(source.override_values(arguments, errors));
        RC_ASSERT(source.root()["list"] == expected);
        const std::vector<SourcePlace> places = source.element_places("/list");
        RC_ASSERT(places.size() == lines.size());
        for (std::size_t i = 0; i < lines.size(); ++i) {
            RC_ASSERT(source.place_of(pointer_to("/list", i)).line == lines[i]);
            if (lines[i] != 0)
                RC_ASSERT(places[i].line == lines[i]);
            // What was set is told by its argument.
            const std::string file = source.error_at(pointer_to("/list", i), "").file;
            RC_ASSERT((file == "s.json") == (lines[i] != 0));
        }
    });
    CHECK(holds);
}
