"""GLSL 3.30 sources of the structure viewer.

Every primitive is a quad that the fragment shader cuts a sphere, a cylinder or a line out of. Depth is linear
in the view depth (0 nearest, 1 farthest), so that the last pass can work in Å.
"""

from __future__ import annotations

_COMMON = """#version 330 core
uniform mat3 rotation;      // world to view
uniform vec3 target;        // world, Å
uniform vec2 extent;        // half width and height at the target, Å
uniform float eye;          // eye distance, 0: parallel projection
uniform vec2 zrange;        // nearest and farthest view depth
"""

_VERTEX = (
    _COMMON
    + """
vec3 to_view(vec3 p) { return rotation * (p - target); }
vec4 clip(vec3 v) {
    float w = eye > 0.0 ? (eye - v.z) / eye : 1.0;
    return vec4(v.x / extent.x, -v.y / extent.y, 0.0, w);  // top row first in memory
}
vec2 corner() { return vec2(gl_VertexID & 1, gl_VertexID >> 1) * 2.0 - 1.0; }
"""
)

_FRAGMENT = (
    _COMMON
    + """
uniform vec3 background;
uniform float fog;
uniform float outline;
uniform float specular;
out vec4 color_out;

vec4 pixel(vec3 color) { return vec4(color.bgr, 1.0); }  // blue first, as Qt wants it
void ray(vec3 q, out vec3 origin, out vec3 direction) {
    if (eye > 0.0) { origin = vec3(0.0, 0.0, eye); direction = normalize(q - origin); }
    else { origin = vec3(q.xy, 0.0); direction = vec3(0.0, 0.0, -1.0); }
}
float depth_of(float z) { return clamp((zrange.x - z) / (zrange.x - zrange.y), 0.0, 1.0); }
vec3 faded(vec3 color, float z) {
    return mix(color, background, fog * smoothstep(0.12, 0.95, depth_of(z)));
}
vec3 shaded(vec3 base, vec3 normal, vec3 direction, float gloss) {
    const vec3 key = normalize(vec3(-0.45, 0.62, 0.78));
    const vec3 fill = normalize(vec3(0.75, -0.25, 0.45));
    float facing = clamp(dot(normal, -direction), 0.0, 1.0);
    float light = 0.46 + 0.10 * normal.y;
    float lit = dot(normal, key);
    light += 0.52 * max(lit * 0.85 + 0.15, 0.0) + 0.10 * max(dot(normal, fill), 0.0);
    vec3 color = base * light;
    vec3 halfway = normalize(key - direction);
    color += vec3(specular) * gloss * pow(max(dot(normal, halfway), 0.0), 42.0);
    float edge = 1.0 - facing;
    color *= 1.0 - outline * pow(edge, 4.0);
    return clamp(color, 0.0, 1.0);
}
"""
)

SPHERE_VERTEX = (
    _VERTEX
    + """
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
"""
)

SPHERE_FRAGMENT = (
    _FRAGMENT
    + """
uniform vec3 selection;
uniform vec3 hover;
flat in vec3 center;
flat in float radius;
flat in vec3 base;
flat in int mark;
in vec3 on_quad;
void main() {
    vec3 origin, direction;
    ray(on_quad, origin, direction);
    vec3 oc = origin - center;
    float along = dot(oc, direction);
    vec3 nearest = oc - along * direction;
    float off2 = dot(nearest, nearest);
    float inside = radius * radius - off2;
    if (inside >= 0.0) {
        vec3 hit = origin + (-along - sqrt(inside)) * direction;
        vec3 normal = (hit - center) / radius;
        vec3 color = shaded(base, normal, direction, 1.0);
        if ((mark & 2) != 0) color = mix(color, vec3(1.0), 0.16);
        color_out = pixel(faded(color, hit.z));
        gl_FragDepth = depth_of(hit.z);
        return;
    }
    float off = sqrt(off2) / radius;
    bool selected = (mark & 1) != 0;
    if (mark == 0 || off < 1.06 || off > (selected ? 1.30 : 1.18)) discard;
    color_out = pixel(selected ? selection : hover);
    gl_FragDepth = depth_of(center.z);
}
"""
)

BOND_VERTEX = (
    _VERTEX
    + """
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
"""
)

BOND_FRAGMENT = (
    _FRAGMENT
    + """
uniform float radius;
flat in vec3 foot;
flat in vec3 axis;
flat in vec3 base;
in vec3 on_quad;
void main() {
    vec3 origin, direction;
    ray(on_quad, origin, direction);
    float height = length(axis);
    vec3 unit = axis / height;
    vec3 oc = origin - foot;
    float card = dot(unit, direction), caoc = dot(unit, oc);
    float a = 1.0 - card * card;
    float b = dot(oc, direction) - caoc * card;
    float c = dot(oc, oc) - caoc * caoc - radius * radius;
    float d = b * b - a * c;
    if (d < 0.0) discard;
    float root = sqrt(d);
    float t = (-b - root) / max(a, 1e-7);
    float along = caoc + t * card;
    vec3 normal;
    if (along >= 0.0 && along <= height) {
        normal = (oc + t * direction - along * unit) / radius;
    } else {
        float end = along < 0.0 ? 0.0 : height;
        t = (end - caoc) / card;
        if (abs(b + a * t) >= root) discard;
        normal = along < 0.0 ? -unit : unit;
    }
    vec3 hit = origin + t * direction;
    color_out = pixel(faded(shaded(base, normal, direction, 0.35), hit.z));
    gl_FragDepth = depth_of(hit.z);
}
"""
)

LINE_VERTEX = (
    _VERTEX
    + """
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
"""
)

LINE_FRAGMENT = (
    _FRAGMENT
    + """
uniform vec3 line;
in float view_z;
void main() {
    color_out = pixel(faded(line, view_z));
    gl_FragDepth = depth_of(view_z);
}
"""
)

RESOLVE_VERTEX = """#version 330 core
void main() {
    vec2 p = vec2((gl_VertexID << 1) & 2, gl_VertexID & 2);
    gl_Position = vec4(p * 2.0 - 1.0, 0.0, 1.0);
}
"""

_PACKED = """#version 330 core
// A shadow with the depth it was found at, in one texel.
vec4 packed_shadow(float shadow, float depth) {
    float high = floor(depth * 255.0);
    return vec4(shadow, high / 255.0, depth * 255.0 - high, 1.0);
}
float depth_in(vec4 texel) { return texel.g + texel.b / 255.0; }
"""

SHADOW_FRAGMENT = (
    _PACKED
    + """
// Soft shadows between atoms from the depths alone: how much of the surroundings lies nearer to the viewer.
// One value for 2 x 2 pixels, grainy: the next pass smooths it.
uniform sampler2D depths;
uniform int samples;        // along each axis
uniform float depth_scale;  // Å between depth 0 and 1
uniform float reach;        // of the shadows, in samples, at the target
uniform float reach_angstrom;
uniform float eye;
uniform float nearest;      // view depth at depth 0
out vec4 color_out;
void main() {
    ivec2 last = textureSize(depths, 0) - 1;
    ivec2 pixel = ivec2(gl_FragCoord.xy);
    ivec2 at = min((2 * pixel + 1) * samples, last);
    float depth = texelFetch(depths, at, 0).r;
    float z = nearest - depth * depth_scale;
    float r = reach * (eye > 0.0 ? eye / max(eye - z, 0.05 * eye) : 1.0);
    float turn = 6.2831853 * float((pixel.x & 3) * 4 + (pixel.y & 3) * 9 & 15) / 16.0;
    float stretch = float((pixel.x & 3) * 7 + (pixel.y & 3) * 4 & 15) / 16.0;
    float sum = 0.0;
    for (int k = 0; k < 10; ++k) {
        float angle = 2.39996323 * float(k) + turn;
        float off = r * sqrt((float(k) + stretch) / 10.0);
        ivec2 p = clamp(at + ivec2(off * vec2(cos(angle), sin(angle))), ivec2(0), last);
        float nearer = (depth - texelFetch(depths, p, 0).r) * depth_scale / reach_angstrom;
        sum += smoothstep(0.10, 0.9, nearer) * (1.0 - 0.8 * smoothstep(1.8, 6.0, nearer));
    }
    color_out = packed_shadow(depth < 1.0 ? sum / 10.0 : 0.0, depth);
}
"""
)

SMOOTH_FRAGMENT = (
    _PACKED
    + """
// The mean over 4 x 4 shadows, one of each turn of the pattern, but only over those of about the same depth.
uniform sampler2D shadows;
uniform float depth_scale;
out vec4 color_out;
void main() {
    ivec2 pixel = ivec2(gl_FragCoord.xy), last = textureSize(shadows, 0) - 1;
    float depth = depth_in(texelFetch(shadows, pixel, 0));
    float sum = 0.0, weight = 1e-4;
    for (int j = -2; j < 2; ++j)
        for (int i = -2; i < 2; ++i) {
            vec4 texel = texelFetch(shadows, clamp(pixel + ivec2(i, j), ivec2(0), last), 0);
            float w = 1.0 - smoothstep(0.25, 0.8, abs(depth_in(texel) - depth) * depth_scale);
            sum += w * texel.r;
            weight += w;
        }
    color_out = packed_shadow(sum / weight, depth);
}
"""
)

_MEAN = """
uniform sampler2D colors;
uniform int samples;        // along each axis
// The mean of a pixel's samples.
vec4 mean_color(ivec2 pixel) {
    ivec2 first = pixel * samples;
    vec4 sum = vec4(0.0);
    for (int j = 0; j < samples; ++j)
        for (int i = 0; i < samples; ++i) sum += texelFetch(colors, first + ivec2(i, j), 0);
    return sum / float(samples * samples);
}
"""

RESOLVE_FRAGMENT = (
    "#version 330 core"
    + _MEAN
    + """
out vec4 color_out;
void main() { color_out = mean_color(ivec2(gl_FragCoord.xy)); }
"""
)

SHADED_RESOLVE_FRAGMENT = (
    _PACKED
    + _MEAN
    + """
// The mean of a pixel's samples, darkened by those of the four shadows around it that are of its depth.
uniform sampler2D depths;
uniform sampler2D shadows;
uniform float depth_scale;
uniform float occlusion;    // strength of the shadows
out vec4 color_out;
void main() {
    ivec2 pixel = ivec2(gl_FragCoord.xy);
    float depth = texelFetch(depths, pixel * samples + samples / 2, 0).r;
    ivec2 last = textureSize(shadows, 0) - 1, corner = (pixel - 1) >> 1;
    float dark = 0.0, weight = 1e-4;
    for (int j = 0; j < 2; ++j)
        for (int i = 0; i < 2; ++i) {
            vec4 texel = texelFetch(shadows, clamp(corner + ivec2(i, j), ivec2(0), last), 0);
            float step_z = abs(depth_in(texel) - depth) * depth_scale;
            float w = 1.0 - smoothstep(0.3, 1.0, step_z);
            vec2 off = vec2(pixel) + 0.5 - 2.0 * vec2(corner + ivec2(i, j)) - 1.0;
            w *= max(2.0 - abs(off.x), 0.1) * max(2.0 - abs(off.y), 0.1);
            dark += w * texel.r;
            weight += w;
        }
    vec4 mean = mean_color(pixel);
    color_out = vec4(mean.rgb * (1.0 - occlusion * dark / weight), mean.a);
}
"""
)
