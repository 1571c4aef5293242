// Checks a document against a schema of lab/schema, and says what is wrong in a user's words.
//
// Rules
//  - valijson judges. What it rejects is then explained by a walk over the same schema, which names the place, what was
//    found, what was expected and the nearest valid word. A test holds the two to the same verdict.
//  - "pattern" is for editors only: forms of values are checked exactly when they are read (lab/values), and a regular
//    expression would recurse as deep as a string is long.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ticklab/lab/json_source.hpp"

namespace ticklab::lab {

class SchemaChecker {
public:
    /// `schema` as lab/schema generates it. Throws std::logic_error if valijson does not take it.
    explicit SchemaChecker(const nlohmann::ordered_json& schema);
    ~SchemaChecker();
    SchemaChecker(SchemaChecker&&) noexcept;

    /// True if the document is valid; else at least one more error, in the order of the file, kMaxInputErrors at most.
    bool check(const JsonSource& source, std::vector<InputError>& errors) const;

    /// What valijson says.
    bool accepts(const nlohmann::json& document) const;
    /// What the explaining walk says: the places and messages, unordered.
    struct Finding {
        std::string pointer;
        std::string message;
        bool about_key;
    };
    std::vector<Finding> explain(const nlohmann::json& document) const;

private:
    struct Compiled;
    nlohmann::json schema_;
    std::unique_ptr<Compiled> compiled_;
};

}  // namespace ticklab::lab
