#version 330 core
#include "common.glsl"
#include "vertex.glsl"
in vec4 sphere;             // centre, radius
in vec4 tint;               // colour, mark
flat out vec3 center;
flat out float radius;
flat out vec3 base;
flat out int mark;
out vec3 on_quad;
void main() {
    center = to_view(sphere.xyz);
    radius = sphere.w;
    base = tint.rgb;
    mark = int(tint.a * 255.0 + 0.5);
    vec3 x = vec3(1.0, 0.0, 0.0), y = vec3(0.0, 1.0, 0.0);
    float size = radius;
    if (eye > 0.0) {
        vec3 sight = center - vec3(0.0, 0.0, eye);
        float distance = length(sight);
        if (sight.z > -radius * 1.01) { gl_Position = vec4(0.0, 0.0, 2.0, 1.0); return; }
        sight /= distance;
        x = normalize(cross(sight, vec3(0.0, 1.0, 0.0)));
        y = cross(x, sight);
        size = radius * distance / sqrt(distance * distance - radius * radius);
    }
    vec2 k = corner() * size * (mark > 0 ? 1.34 : 1.0);
    on_quad = center + k.x * x + k.y * y;
    gl_Position = clip(on_quad);
}
