#version 330 core
#include "common.glsl"
#include "vertex.glsl"
uniform vec2 viewport;
uniform float width;        // pixels
in vec3 start;
in vec3 end;
out float view_z;
void main() {
    vec3 p = to_view(start), q = to_view(end);
    if (eye > 0.0) {        // cut off what lies behind the eye
        float near = 0.97 * eye;
        if (p.z > near && q.z > near) { gl_Position = vec4(0.0, 0.0, 2.0, 1.0); return; }
        if (p.z > near) p = mix(q, p, (near - q.z) / (p.z - q.z));
        if (q.z > near) q = mix(p, q, (near - p.z) / (q.z - p.z));
    }
    vec4 a = clip(p), b = clip(q);
    vec2 along = (b.xy / b.w - a.xy / a.w) * viewport;
    float size = length(along);
    along = size > 1e-5 ? along / size : vec2(1.0, 0.0);
    vec2 k = corner();
    vec4 here = k.y < 0.0 ? a : b;
    view_z = k.y < 0.0 ? p.z : q.z;
    vec2 shift = (vec2(-along.y, along.x) * k.x + along * k.y) * width / viewport;
    gl_Position = vec4(here.xy + shift * here.w, 0.0, here.w);
}
