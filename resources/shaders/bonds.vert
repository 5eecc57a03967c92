#version 330 core
#include "common.glsl"
#include "vertex.glsl"
uniform float radius;
in vec3 start;
in vec3 vector;
in vec4 tint;
flat out vec3 foot;
flat out vec3 axis;         // times its length
flat out vec3 base;
out vec3 on_quad;
void main() {
    foot = to_view(start);
    axis = rotation * vector;
    base = tint.rgb;
    vec3 middle = foot + 0.5 * axis;
    vec3 sight = eye > 0.0 ? middle - vec3(0.0, 0.0, eye) : vec3(0.0, 0.0, -1.0);
    float distance = length(sight);
    if (eye > 0.0 && sight.z > -length(axis)) { gl_Position = vec4(0.0, 0.0, 2.0, 1.0); return; }
    sight /= distance;
    vec3 side = cross(axis, sight);
    side = dot(side, side) > 1e-8 ? normalize(side) : vec3(1.0, 0.0, 0.0);
    vec3 up = cross(sight, side);
    float half_length = 0.5 * length(axis);
    float pad = eye > 0.0 ? distance / (distance - half_length - radius) : 1.0;
    vec2 size = vec2(radius, 0.5 * abs(dot(axis, up)) + radius) * pad;
    vec2 k = corner() * size;
    on_quad = middle + k.x * side + k.y * up;
    gl_Position = clip(on_quad);
}
