// JSON Schemas (draft 7) of the files that ticklab reads, generated from the declarations.
//
// Rules
//  - They use a few keywords only: type, enum, const, properties, additionalProperties, required, items, minItems,
//    maxItems, minProperties, maxProperties, minLength, maxLength, minimum, maximum, allOf, oneOf over "required", if /
//    then, dependencies, $ref. lab/schema_check explains errors by the same keywords.
//  - "title" is what an error says was expected.
//  - What depends on the kernel stands in an if / then over kernel.type at the top.
#pragma once

#include <nlohmann/json.hpp>

#include "ticklab/lab/registry.hpp"

namespace ticklab::lab {

nlohmann::ordered_json scenario_schema(const Registry& registry);
nlohmann::ordered_json profile_schema();
nlohmann::ordered_json cost_table_schema(const Registry& registry);

/// A declared default as it would stand in a file; null if there is none.
nlohmann::ordered_json default_value(const sim::ParameterDecl& parameter);

}  // namespace ticklab::lab
